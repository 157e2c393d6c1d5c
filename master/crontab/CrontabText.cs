using System.Text.RegularExpressions;
using Dts.Common.Hosting;

namespace Dts.Master.Crontab;

/// <summary>One line of a crontab, split as cron splits it.</summary>
internal abstract partial record CrontabText
{
    private const int Fields = 5;

    private static readonly char[] Blanks = [' ', '\t'];

    private CrontabText()
    {
    }

    public sealed record Blank : CrontabText;

    /// <param name="Text">Without the <c>#</c> and the surrounding blanks.</param>
    public sealed record Comment(string Text) : CrontabText;

    public sealed record Variable(string Name, string Value) : CrontabText;

    /// <param name="Schedule">Five fields with single blanks, or a name that begins with @.</param>
    /// <param name="User">Empty in a user's crontab.</param>
    /// <param name="Command">The rest of the line, with its <c>%</c> as written.</param>
    /// <param name="IsQuiet">The line begins with <c>-</c>: cron does not log it.</param>
    public sealed record Entry(string Schedule, string User, string Command, bool IsQuiet) : CrontabText;

    public sealed record Broken(string Reason) : CrontabText;

    public static CrontabText Parse(string line, CrontabFormat format)
    {
        var text = line.TrimStart(Blanks);
        return text.Length == 0 || text.All(char.IsWhiteSpace) ? new Blank()
            : text[0] == '#' ? new Comment(text.TrimStart('#').Trim())
            : VariableLine().Match(text) is { Success: true } variable ? ReadVariable(variable)
            : ReadEntry(text, format);
    }

    /// <summary>The first words of a line, at most <paramref name="count"/>, and the rest.</summary>
    public static (IReadOnlyList<string> Words, string Tail) TakeWords(string text, int count)
    {
        List<string> words = [];
        var rest = text.TrimStart(Blanks);
        while (words.Count < count && rest.Length > 0)
        {
            var end = rest.IndexOfAny(Blanks);
            words.Add(end < 0 ? rest : rest[..end]);
            rest = end < 0 ? "" : rest[end..].TrimStart(Blanks);
        }

        return (words, rest);
    }

    private static CrontabText ReadVariable(Match variable)
    {
        var name = variable.Groups["name"].Value.Trim('"', '\'');
        var value = variable.Groups["value"].Value.TrimEnd();
        if (value.Length == 0 || value[0] is not ('"' or '\''))
        {
            return new Variable(name, value);
        }

        var end = value.IndexOf(value[0], 1);
        return end == value.Length - 1 ? new Variable(name, value[1..end])
            : new Broken(end < 0
                ? $"the value of {Display.Line(name)} has no closing {value[0]}; cron refuses such a line"
                : $"the value of {Display.Line(name)} goes on after its closing {value[0]}; cron refuses such a line");
    }

    private static CrontabText ReadEntry(string text, CrontabFormat format)
    {
        var isQuiet = text[0] == '-' && text.Length > 1 && (char.IsAsciiDigit(text[1]) || text[1] is '*' or '@');
        text = isQuiet ? text[1..] : text;
        var count = text[0] != '@' ? Fields : text.StartsWith("@every ", StringComparison.OrdinalIgnoreCase) ? 2 : 1;
        var (fields, rest) = TakeWords(text, count);
        var user = "";
        if (format == CrontabFormat.System)
        {
            (var words, rest) = TakeWords(rest, 1);
            user = words is [var name] ? name : "";
        }

        var expected = count == Fields ? "5 fields" : "a schedule";
        return fields.Count == count && rest.Length > 0
            ? new Entry(string.Join(' ', fields), user, rest, isQuiet)
            : new Broken(format == CrontabFormat.System
                ? $"the line has no command; expected {expected}, a user and a command"
                : $"the line has no command; expected {expected} and a command");
    }

    [GeneratedRegex("""^(?<name>"[^"]*"|'[^']*'|[^\s="'@*#-][^\s=]*)\s*=[ \t]*(?<value>.*)$""", RegexOptions.Singleline)]
    private static partial Regex VariableLine();
}
