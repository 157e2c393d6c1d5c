using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Dts.Master.Crontab;

/// <summary>Jobs in YAML, as JSON nodes.</summary>
/// <remarks>
/// Reading uses YamlDotNet's parser without its serializer, which needs reflection. Plain scalars follow YAML 1.2's core schema (yes and
/// NO are strings), and are always strings in members that are strings. Aliases are refused: they let a short text grow without limit.
/// Writing is by hand, because YamlDotNet's emitter leaves strings such as yes unquoted, which other readers take for true.
/// </remarks>
internal static partial class YamlJson
{
    private const int DepthMax = 16;
    private const int ValuesMax = 1_000_000;

    private static readonly HashSet<string> Texts =
    [
        "name", "command", "cronExpr", "description", "timeZone", "user", "cwd", "shell", "env", "labels", "workers", "secrets",
        "then", "onFailure", "always",
    ];

    private static readonly HashSet<string> NotPlain =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

    /// <summary>Reads the documents that are not empty.</summary>
    /// <exception cref="FormatException">The text is not YAML; the message says where.</exception>
    public static List<JsonNode?> Read(string text)
    {
        try
        {
            var parser = new Parser(new StringReader(text));
            var left = ValuesMax;
            List<JsonNode?> documents = [];
            parser.Consume<StreamStart>();
            while (!parser.TryConsume<StreamEnd>(out _))
            {
                parser.Consume<DocumentStart>();
                if (ReadNode(parser, isText: false, DepthMax, ref left) is { } document)
                {
                    documents.Add(document);
                }

                parser.Consume<DocumentEnd>();
            }

            return documents;
        }
        catch (YamlException wrong)
        {
            var hint = wrong.Message.Contains("alias", StringComparison.Ordinal) ? "; quote a schedule that begins with *" : "";
            throw new FormatException(
                $"body is not YAML (line {wrong.Start.Line}, column {wrong.Start.Column}): {Display.Line(wrong.Message)}{hint}");
        }
    }

    public static string Write(IEnumerable<JsonObject> jobs)
    {
        var text = new StringBuilder();
        foreach (var job in jobs)
        {
            var at = "- ";
            foreach (var (name, value) in job)
            {
                text.Append(at);
                WriteMember(text, name, value, "  ");
                at = "  ";
            }
        }

        return text.Length > 0 ? text.ToString() : "[]\n";
    }

    /// <param name="left">How many values may still come.</param>
    private static JsonNode? ReadNode(Parser parser, bool isText, int depth, ref int left)
    {
        if (--left < 0)
        {
            throw new FormatException($"body has more than {ValuesMax} values; expected jobs");
        }

        if (depth == 0)
        {
            throw new FormatException($"body is nested deeper than {DepthMax} levels; expected jobs");
        }

        if (parser.TryConsume<Scalar>(out var scalar))
        {
            return ReadScalar(scalar, isText);
        }

        if (parser.TryConsume<SequenceStart>(out _))
        {
            var list = new JsonArray();
            while (!parser.TryConsume<SequenceEnd>(out _))
            {
                list.Add(ReadNode(parser, isText, depth - 1, ref left));
            }

            return list;
        }

        if (parser.TryConsume<MappingStart>(out _))
        {
            var members = new JsonObject();
            while (!parser.TryConsume<MappingEnd>(out _))
            {
                var key = parser.Consume<Scalar>();
                var value = ReadNode(parser, isText || Texts.Contains(key.Value), depth - 1, ref left);
                if (!members.TryAdd(key.Value, value))
                {
                    throw new YamlException(key.Start, key.End, $"{key.Value} comes twice");
                }
            }

            return members;
        }

        var other = parser.Consume<ParsingEvent>();
        throw new YamlException(other.Start, other.End, "aliases (*name) are refused; expected the value itself");
    }

    private static JsonNode? ReadScalar(Scalar scalar, bool isText)
    {
        if (scalar.Style != ScalarStyle.Plain || (isText && scalar.Value.Length > 0))
        {
            return JsonValue.Create(scalar.Value);
        }

        return scalar.Value switch
        {
            "" or "~" or "null" or "Null" or "NULL" => null,
            "true" or "True" or "TRUE" => JsonValue.Create(true),
            "false" or "False" or "FALSE" => JsonValue.Create(false),
            var number when Number().IsMatch(number) => JsonNode.Parse(number),
            var text => JsonValue.Create(text),
        };
    }

    private static void WriteMember(StringBuilder text, string name, JsonNode? value, string indent)
    {
        text.Append(Quote(name)).Append(':');
        switch (value)
        {
            case JsonObject { Count: > 0 } members:
                text.Append('\n');
                foreach (var (inner, innerValue) in members)
                {
                    text.Append(indent).Append("  ");
                    WriteMember(text, inner, innerValue, indent + "  ");
                }

                break;
            case JsonValue scalar when scalar.TryGetValue<string>(out var content):
                text.Append(' ').Append(IsBlock(content) ? Block(content, indent + "  ") : Quote(content)).Append('\n');
                break;
            default:
                text.Append(' ').Append(Flow(value)).Append('\n');
                break;
        }
    }

    /// <summary>Whether a text of several lines can be a literal block.</summary>
    private static bool IsBlock(string text) =>
        text.Contains('\n')
            && text[0] is not (' ' or '\n' or '\t')
            && text.All(letter => letter is '\n' or '\t' or (>= ' ' and < '\x7f')
                or (>= '\u00a1' and < '\ud7ff' and not ('\u2028' or '\u2029')));

    private static string Block(string text, string indent)
    {
        var chomp = !text.EndsWith('\n') ? "-" : text.EndsWith("\n\n", StringComparison.Ordinal) ? "+" : "";
        var body = text.EndsWith('\n') ? text[..^1] : text;
        return $"|{chomp}\n" + string.Join('\n', body.Split('\n').Select(line => line.Length > 0 ? indent + line : ""));
    }

    private static string Quote(string text) =>
        PlainText().IsMatch(text) && !NotPlain.Contains(text.ToLower(CultureInfo.InvariantCulture))
            ? text
            : Flow(JsonValue.Create(text));

    /// <summary>A value as JSON, which is YAML, except for the characters that JSON escapes as two surrogates.</summary>
    private static string Flow(JsonNode? value) => Escape().Replace(
        value?.ToJsonString(JobsJson.Readable.Options) ?? "null",
        match => match.Groups["high"].Success
            ? $"\\U{char.ConvertToUtf32(Unit(match, "high"), Unit(match, "low")):X8}"
            : match.Value);

    private static char Unit(Match match, string name) => (char)Convert.ToUInt16(match.Groups[name].Value, 16);

    [GeneratedRegex(@"\\(u(?<high>D[89AB]..)\\u(?<low>D[C-F]..)|.)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Escape();

    [GeneratedRegex(@"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$")]
    private static partial Regex Number();

    [GeneratedRegex(@"^[A-Za-z_/][A-Za-z0-9_./-]*\z")]
    private static partial Regex PlainText();
}
