using System.IO.Compression;
using System.Text.RegularExpressions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit;

/// <summary>What can be said of the console's files without a browser.</summary>
public sealed partial class ConsoleFilesTests
{
    private const int BytesMax = 135 * 1024;
    private const int DictionaryBytesMax = 36 * 1024;

    private static readonly string Folder = Tool.InRepository("master/console");
    private static readonly string[] Dictionaries = ["words.js", "words-2.js", "words-3.js"];

    [Fact]
    public void All_files_but_the_dictionaries_have_at_most_135_KB_over_the_wire() =>
        AssertSmall(BytesMax, Files("*").Where(file => !IsDictionary(file)));

    /// <summary>Only Chinese pages load them.</summary>
    [Fact]
    public void The_dictionaries_have_at_most_36_KB_over_the_wire() => AssertSmall(DictionaryBytesMax, Files("*").Where(IsDictionary));

    [Fact]
    public void Each_English_sentence_has_a_Chinese_one_with_the_same_values()
    {
        var chinese = Dictionaries
            .SelectMany(file => Entry().Matches(File.ReadAllText(Path.Combine(Folder, file))))
            .ToLookup(entry => entry.Groups["key"].Value, entry => entry.Groups["text"].Value);

        List<string> faults = [];
        foreach (var file in Files("*.js").Where(file => !IsDictionary(file)))
        {
            foreach (var sentence in Sentence().Matches(File.ReadAllText(file)).Select(match => match.Groups[1].Value).Distinct())
            {
                if (chinese[sentence].FirstOrDefault() is not { } said)
                {
                    faults.Add($"{Path.GetFileName(file)}: no Chinese for '{sentence}'");
                }
                else if (ValuesOf(said).Except(ValuesOf(sentence)).ToList() is [var unknown, ..])
                {
                    faults.Add($"{Path.GetFileName(file)}: the Chinese of '{sentence}' has {{{unknown}}}, which the English has not");
                }
            }
        }

        Assert.Equal("", string.Join('\n', faults));
    }

    [Fact]
    public void No_file_parses_markup_or_text_as_code()
    {
        var faults = Files("*.js").SelectMany(
            file => Forbidden().Matches(File.ReadAllText(file)).Select(match => $"{Path.GetFileName(file)}: {match.Value}"));

        Assert.Equal("", string.Join('\n', faults));
    }

    [Fact]
    public void The_document_has_no_script_style_or_address_of_others()
    {
        var html = File.ReadAllText(Path.Combine(Folder, "index.html"));

        Assert.DoesNotMatch(@"<script(?![^>]* src=""/console/)|<style|\sstyle=|\son\w+=|javascript:", html);
        Assert.All(
            Address().Matches(html).Select(match => match.Groups[1].Value),
            address => Assert.Matches("^(/|#|data:image/svg)", address));
    }

    private static bool IsDictionary(string file) => Dictionaries.Contains(Path.GetFileName(file));

    private static void AssertSmall(int bytesMax, IEnumerable<string> files)
    {
        var sizes = files.ToDictionary(file => Path.GetRelativePath(Folder, file), Compressed);

        Assert.True(
            sizes.Values.Sum() <= bytesMax,
            $"{sizes.Values.Sum()} bytes; the largest: {string.Join(", ", sizes.OrderByDescending(size => size.Value).Take(8))}");
    }

    private static IEnumerable<string> Files(string pattern) =>
        Directory.EnumerateFiles(Folder, pattern, SearchOption.AllDirectories).Order();

    private static long Compressed(string file)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            gzip.Write(File.ReadAllBytes(file));
        }

        return packed.Length;
    }

    private static HashSet<string> ValuesOf(string sentence) => [.. Value().Matches(sentence).Select(match => match.Groups[1].Value)];

    [GeneratedRegex(@"\btn?\(\s*'((?:[^'\\]|\\.)*)'")]
    private static partial Regex Sentence();

    [GeneratedRegex(@"(?:'(?<key>(?:[^'\\]|\\.)*)'|(?<key>\w+)):\s*'(?<text>(?:[^'\\]|\\.)*)'")]
    private static partial Regex Entry();

    [GeneratedRegex(@"\{(\w+)")]
    private static partial Regex Value();

    [GeneratedRegex(
        @"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|eval|new Function|srcdoc)\b")]
    private static partial Regex Forbidden();

    [GeneratedRegex(@"(?:href|src)=""([^""]*)""")]
    private static partial Regex Address();
}
