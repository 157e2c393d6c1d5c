using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Master.Crontab;

/// <summary>The two kinds of crontab.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<CrontabFormat>))]
internal enum CrontabFormat
{
    /// <summary>A user's crontab, as <c>crontab -l</c> prints it: schedule and command.</summary>
    User,

    /// <summary>/etc/crontab and the files in /etc/cron.d: schedule, user and command.</summary>
    System,
}

/// <summary>Detects the kind of a crontab by its lines.</summary>
internal static class CrontabFormats
{
    /// <summary>The first line of a crontab that DTS writes; the format follows.</summary>
    public const string Header = "# dts-crontab: ";

    // Users that share their name with no command.
    private static readonly HashSet<string> Users =
        ["root", "nobody", "www-data", "daemon", "postgres", "apache", "www", "_www", "ubuntu", "debian", "centos", "ec2-user"];

    // Commands that share their name with no user.
    private static readonly HashSet<string> Commands =
    [
        "cd", "test", "[", "[[", "echo", "printf", "exec", "sh", "bash", "python", "python2", "python3", "php", "perl", "ruby",
        "node", "curl", "wget", "rsync", "find", "rm", "mv", "cp", "cat", "touch", "sleep", "date", "nice", "ionice", "nohup",
        "flock", "timeout", "sudo", "su", "env", "source", "tar", "gzip", "ssh", "scp", "docker", "systemctl", "service", "make",
        "java", "true", "false", "if", "for", "while", "export", "run-parts", "mysqldump", "pg_dump", "certbot", "kill", "pkill",
        "crontab",
    ];

    /// <exception cref="FormatException">The lines leave it open, or contradict each other.</exception>
    public static CrontabFormat Detect(IReadOnlyList<string> lines)
    {
        const string remedy = "expected ?format=user (schedule, command) or ?format=system (schedule, user, command)";
        if (lines.FirstOrDefault(line => line.StartsWith(Header, StringComparison.Ordinal)) is { } header)
        {
            return header[Header.Length..].Trim() == "system" ? CrontabFormat.System : CrontabFormat.User;
        }

        var kinds = lines.Select((line, i) => (Number: i + 1, Kind: KindOf(line))).Where(line => line.Kind is not Kind.NoEntry).ToList();
        var (user, system) = (kinds.Find(line => line.Kind == Kind.User), kinds.Find(line => line.Kind == Kind.System));
        return (user.Number, system.Number, kinds.Count) switch
        {
            (> 0, > 0, _) => throw new FormatException(
                $"format is not clear: line {user.Number} reads as a user's crontab, line {system.Number} has a user's name; {remedy}"),
            (_, > 0, _) => CrontabFormat.System,
            (> 0, _, _) or (_, _, 0) => CrontabFormat.User,
            _ => throw new FormatException(
                $"format is not clear: the sixth word of line {kinds[0].Number} may be a user or a command; {remedy}"),
        };
    }

    private static Kind KindOf(string line)
    {
        if (CrontabText.Parse(line, CrontabFormat.User) is not CrontabText.Entry entry)
        {
            return Kind.NoEntry;
        }

        var (words, rest) = CrontabText.TakeWords(entry.Command, 1);
        var isName = words[0].All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-' or '.' or '$');
        return !isName || rest.Length == 0 || Commands.Contains(words[0]) ? Kind.User
            : Users.Contains(words[0]) ? Kind.System
            : Kind.Unclear;
    }

    private enum Kind
    {
        NoEntry,
        Unclear,
        User,
        System,
    }
}
