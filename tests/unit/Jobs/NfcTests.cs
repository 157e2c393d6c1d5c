using System.Diagnostics;
using System.Text.Json;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

public sealed class NfcTests
{
    private const int Texts = 20_000;

    [Theory]
    [InlineData("backup",                       "backup")]
    [InlineData("e\u0301",                      "\u00e9")]
    [InlineData("\u00e9",                       "\u00e9")]
    [InlineData("a\u0323\u0302",                "\u1ead")]       // two marks
    [InlineData("a\u0302\u0323",                "\u1ead")]       // in the other order
    [InlineData("\u212b",                       "\u00c5")]       // the Angstrom sign
    [InlineData("\u1100\u1161\u11a8",           "\uac01")]       // Hangul
    [InlineData("\u0958",                       "\u0915\u093c")] // never composed
    [InlineData("q\u0323\u0307",                "q\u0323\u0307")]
    [InlineData("\U0001d15e",                   "\U0001d157\U0001d165")]
    [InlineData("备份 🕐",                       "备份 🕐")]
    public void Form_C_is_composed_and_in_canonical_order(string text, string composed) => Assert.Equal(composed, Nfc.Of(text));

    [Fact]
    public void Python_composes_every_text_the_same_way()
    {
        var random = Some.Random();
        var table = File.ReadAllLines(Tool.InRepository("../master/jobs/nfc.txt")).Skip(1).ToList();
        int[] codes =
        [
            .. table.SelectMany(line => line.TrimEnd('!').Split('=', ' ', ':', '-')[..2]).Select(code => Convert.ToInt32(code, 16)),
            .. Enumerable.Range(0x1100, 0x200),
            .. Enumerable.Range(0xAC00, 0x200),
            .. "aeiou AEIOU",
        ];
        List<string> texts = [.. codes.Select(char.ConvertFromUtf32)];
        texts.AddRange(
            Enumerable.Range(0, Texts)
                .Select(
                    _ => string.Concat(
                        Enumerable.Range(0, random.Next(2, 8)).Select(_ => char.ConvertFromUtf32(codes[random.Next(codes.Length)])))));

        var answers = Ask(texts);

        Assert.Equal(texts.Count, answers.Count);
        Assert.All(
            texts.Zip(answers),
            pair => Assert.True(
                Nfc.Of(pair.First) == pair.Second, string.Join(' ', pair.First.EnumerateRunes().Select(rune => $"{rune.Value:x}"))));
    }

    private static List<string> Ask(IEnumerable<string> texts)
    {
        var start = new ProcessStartInfo(
            "python3",
            [Tool.InRepository("unit/Jobs/nfc_table.py"), "ask"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        using var python = Process.Start(start)!;
        var output = python.StandardOutput.ReadToEndAsync();
        python.StandardInput.Write(string.Concat(texts.Select(text => JsonSerializer.Serialize(text) + "\n")));
        python.StandardInput.Close();
        return
        [
            .. output.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<string>(line)!),
        ];
    }
}
