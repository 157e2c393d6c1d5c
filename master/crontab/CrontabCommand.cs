using System.Text;

namespace Dts.Master.Crontab;

/// <summary>A command as cron reads it: <c>\%</c> is a percent sign; a bare <c>%</c> begins standard input or ends its line.</summary>
/// <remarks>
/// A job has no standard input. So the input becomes a here-document before the command (<c>exec &lt;&lt;'DTS_STDIN'</c>), which passes it
/// to the shell itself, as cron does. A command of several lines is written to a crontab as <c>eval "$(cat)"%…</c>: the shell reads all of
/// it and then runs it.
/// </remarks>
internal static class CrontabCommand
{
    private const string Mark = "DTS_STDIN";
    private const string SeveralLines = "eval \"$(cat)\"";

    private static readonly string[] ShLike = ["", "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"];

    /// <summary>The command for the shell; null = it has an input, and the shell has no here-documents of this kind.</summary>
    /// <param name="hasInput">The line passes a standard input to the command.</param>
    public static string? Read(string written, string shell, out bool hasInput)
    {
        var (command, rest) = Split(written);
        hasInput = rest is { Length: > 0 } && command != SeveralLines;
        if (rest is not { Length: > 0 })
        {
            return command;
        }

        if (!IsShLike(shell))
        {
            return null;
        }

        var input = Decode(rest);
        return hasInput ? $"exec <<'{MarkFor(input)}'\n{input}{MarkFor(input)}\n{command}" : input.TrimEnd('\n');
    }

    /// <summary>The command of a line without its standard input.</summary>
    public static string WithoutInput(string written) => Split(written).Command;

    /// <summary>The command as a line of a crontab; null = no line can express it.</summary>
    public static string? Write(string command, string shell)
    {
        var input = FindInput(command, out var rest) ?? (rest.Contains('\n') || Escape(rest) is null ? rest : null);
        var first = input == rest ? SeveralLines : Escape(rest);
        var written = input is null ? first : $"{first}%{Encode(input)}";
        return written is not null
            && !written.Contains('\n')
            && !written.Contains('\r')
            && written.TrimStart(' ', '\t') == written
            && Read(written, shell, out _) == command
            ? written
            : null;
    }

    private static bool IsShLike(string shell) => ShLike.Contains(shell[(shell.LastIndexOf('/') + 1)..]);

    /// <summary>The command, with <c>\%</c> as %, and the text after the first unescaped %; null = there is no such %.</summary>
    private static (string Command, string? Input) Split(string written)
    {
        var command = new StringBuilder();
        var isEscaped = false;
        for (var i = 0; i < written.Length; i++)
        {
            if (written[i] == '%' && !isEscaped)
            {
                return (command.ToString(), written[(i + 1)..]);
            }

            command.Length -= written[i] == '%' ? 1 : 0;
            command.Append(written[i]);
            isEscaped = written[i] == '\\' && !isEscaped;
        }

        return (command.ToString(), null);
    }

    private static string Decode(string written)
    {
        var input = new StringBuilder();
        var isEscaped = false;
        foreach (var letter in written)
        {
            if (isEscaped && letter != '%')
            {
                input.Append('\\');
            }

            if (letter != '\\')
            {
                input.Append(letter == '%' && !isEscaped ? '\n' : letter);
            }

            isEscaped = letter == '\\';
        }

        input.Append(isEscaped ? "\\" : "");
        return input.Length > 0 && input[^1] == '\n' ? input.ToString() : input.Append('\n').ToString();
    }

    private static string Encode(string input) => input.Replace("%", "\\%", StringComparison.Ordinal).TrimEnd('\n').Replace('\n', '%');

    /// <summary>Null = the command has a backslash before a percent sign, which a crontab cannot express.</summary>
    private static string? Escape(string command)
    {
        var written = command.Replace("%", "\\%", StringComparison.Ordinal);
        return Split(written) == (command, null) ? written : null;
    }

    /// <summary>The standard input of a command that <see cref="Read"/> has built; null = it has none.</summary>
    private static string? FindInput(string command, out string rest)
    {
        rest = command;
        var lines = command.Split('\n');
        if (!lines[0].StartsWith($"exec <<'{Mark}", StringComparison.Ordinal) || !lines[0].EndsWith('\''))
        {
            return null;
        }

        var end = Array.IndexOf(lines, lines[0]["exec <<'".Length..^1], 1);
        if (end < 2)
        {
            return null;
        }

        rest = string.Join('\n', lines[(end + 1)..]);
        return string.Concat(lines[1..end].Select(line => line + "\n"));
    }

    /// <summary>A word that does not occur as a line of the input.</summary>
    private static string MarkFor(string input)
    {
        var mark = Mark;
        while ($"\n{input}".Contains($"\n{mark}\n", StringComparison.Ordinal))
        {
            mark += "_";
        }

        return mark;
    }
}
