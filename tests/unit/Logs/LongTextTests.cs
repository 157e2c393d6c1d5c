using System.Text;
using System.Text.Json;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Logs;

public sealed class LongTextTests
{
    private static readonly string[] Characters =
    [
        "a",
        "\n",
        "\"",
        "\\",
        "\0",
        "\u007f",
        "ä",
        "备",
        "\ufffd",
        "\ud83d\udd50",
        "\udbff\udfff",
        "</script>",
        "&",
    ];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(1025)]
    [InlineData(2048)]
    [InlineData(100_000)]
    public void A_text_of_any_length_is_written_as_the_library_writes_it_and_read_back(int length)
    {
        for (var shift = 0; shift < 12; shift++)
        {
            var text = new string('x', shift) + Make(length);

            foreach (var json in new[] { LogsJson.Readable, LogsJson.Default })
            {
                var written = JsonSerializer.Serialize(Some.Record(0, output: text), json.RunRecord);

                Assert.Contains(JsonSerializer.Serialize(text, json.String), written, StringComparison.Ordinal);
                Assert.Equal(text, JsonSerializer.Deserialize(written, json.RunRecord)!.Output);
            }
        }
    }

    [Theory]
    [InlineData("\\ud83d")]
    [InlineData("\\ud83dx\\udd50")]
    [InlineData("\\u12")]
    public void A_value_that_is_not_a_text_is_an_error(string wrong)
    {
        var json = JsonSerializer.Serialize(Some.Record(0, output: "HERE"), LogsJson.Readable.RunRecord);
        var broken = json.Replace("HERE", new string('x', 2000) + "\\n" + wrong, StringComparison.Ordinal);

        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(broken, LogsJson.Readable.RunRecord));
    }

    [Fact]
    public void A_text_that_ends_within_a_character_is_an_error()
    {
        var json = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(Some.Record(0, output: "\nHERE"), LogsJson.Readable.RunRecord));
        json[json.AsSpan().IndexOf("HERE"u8) + 3] = 0xF0;

        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(json, LogsJson.Readable.RunRecord));
    }

    private static string Make(int length)
    {
        var random = Some.Random();
        var text = new StringBuilder();
        while (text.Length < length)
        {
            text.Append(Characters[random.Next(Characters.Length)]);
        }

        return text.ToString();
    }
}
