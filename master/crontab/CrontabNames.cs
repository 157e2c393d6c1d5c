using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Dts.Master.Jobs;

namespace Dts.Master.Crontab;

/// <summary>
/// Names the job of each line: by the name that Ansible or Puppet left above the line, else by its command, else by its comment.
/// </summary>
/// <remarks>
/// Names do not depend on the time or on other jobs, so the same crontab gives the same names again. Among lines of the same name, the
/// first has it unchanged and the others append a hash of their line, so that an inserted line does not rename the others.
/// </remarks>
internal sealed partial class CrontabNames(string prefix)
{
    private const int LettersMax = 60;

    private static readonly HashSet<string> Wrappers =
        ["nice", "ionice", "nohup", "time", "exec", "env", "sudo", "flock", "timeout", "chronic", "setsid", "command", "builtin", "."];

    private static readonly HashSet<string> Interpreters =
        ["sh", "bash", "dash", "zsh", "ksh", "python", "python2", "python3", "php", "perl", "ruby", "node", "source"];

    private readonly HashSet<string> _taken = [];
    private readonly Dictionary<string, int> _counts = []; // The last number appended to a name, for equal lines.

    /// <summary>Takes a name that is written in the crontab; false = another line has it.</summary>
    public bool TryTake(string name) => _taken.Add(name);

    public string Pick(CrontabText.Entry entry, string comment)
    {
        var hash = Hash($"{entry.Schedule}\n{entry.User}\n{entry.Command}");
        var managed = Slug(Managed().Match(comment).Groups[1].Value);
        var wanted = prefix + (managed.Length > 0 ? managed
            : OfCommand(CrontabCommand.WithoutInput(entry.Command)) is { Length: > 0 } command ? command
            : Slug(comment) is { Length: > 0 } words ? words
            : $"job-{hash}");
        return _taken.Add(wanted) ? wanted : TakeNext($"{wanted}-{hash}");
    }

    private string TakeNext(string wanted)
    {
        var n = _counts.GetValueOrDefault(wanted);
        string name;
        do
        {
            name = ++n == 1 ? wanted : $"{wanted}-{n}";
        }
        while (!_taken.Add(name));

        _counts[wanted] = n;
        return name;
    }

    /// <summary>The main program of a command, with its first plain argument; empty = there is none.</summary>
    internal static string OfCommand(string command)
    {
        var words = Words().Matches(Lead().Replace(command, "")).Select(word => word.Value.Trim('"', '\'', '(', '{', ';')).ToList();
        var at = 0;
        while (at < words.Count && (words[at].Length == 0 || Assignment().IsMatch(words[at]) || Wrappers.Contains(Base(words[at]))))
        {
            at = words[at].Length == 0 || Assignment().IsMatch(words[at]) ? at + 1 : AfterWrapper(words, at);
        }

        if (at < words.Count && Interpreters.Contains(Base(words[at])))
        {
            var script = words.FindIndex(at + 1, word => !word.StartsWith('-'));
            if (script > 0 && words[script - 1] == "-c")
            {
                return OfCommand(string.Join(' ', words[script..]));
            }

            at = script > 0 ? script : at;
        }

        if (at >= words.Count)
        {
            return "";
        }

        var program = Slug(Extension().Replace(Base(words[at]), ""));
        var argument = words.ElementAtOrDefault(at + 1) is { } next && Plain().IsMatch(next) ? Slug(next) : "";
        return program.Length == 0 || argument.Length == 0 ? program : $"{program}-{argument}";
    }

    private static int AfterWrapper(List<string> words, int at)
    {
        var wrapper = Base(words[at++]);
        while (at < words.Count && words[at].StartsWith('-'))
        {
            var takesValue = (wrapper, words[at]) is ("nice", "-n") or ("ionice", "-c" or "-n") or ("sudo", "-u" or "-g") or ("flock", "-w")
                or ("timeout", "-k" or "-s");
            at += takesValue ? 2 : 1;
        }

        return wrapper is "flock" or "timeout" ? at + 1 : at;
    }

    private static string Base(string word) => word[(word.LastIndexOf('/') + 1)..];

    /// <summary>Keeps letters and digits of any language, and '.' and '_' between them; everything else becomes a '-'.</summary>
    private static string Slug(string text)
    {
        var slug = new StringBuilder();
        foreach (var letter in Nfc.Of(text))
        {
            if (char.IsLetterOrDigit(letter) || (letter is '.' or '_' && slug.Length > 0))
            {
                slug.Append(letter);
            }
            else if (slug.Length > 0 && slug[^1] != '-')
            {
                slug.Append('-');
            }

            if (slug.Length >= LettersMax)
            {
                break;
            }
        }

        return slug.ToString().Trim('-', '.', '_');
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..6];

    [GeneratedRegex(@"^(?:Ansible|Puppet Name): *(.+)$", RegexOptions.Multiline)]
    private static partial Regex Managed();

    /// <summary>The start of a command that says nothing about its purpose: changes of folder and tests.</summary>
    [GeneratedRegex(@"^\s*(((cd|sleep|set|export|umask|source|\.)\s[^;&|]+(&&|;)|(\[\[?|test)\s[^;&|]+(&&|\|\||;))\s*)+")]
    private static partial Regex Lead();

    [GeneratedRegex("""
        "[^"]*"|'[^']*'|[^\s"';&|<>]+
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Words();

    [GeneratedRegex(@"^[A-Za-z_]\w*=")]
    private static partial Regex Assignment();

    [GeneratedRegex(@"\.(sh|bash|py|php|pl|rb|js|cron)$")]
    private static partial Regex Extension();

    [GeneratedRegex(@"^[A-Za-z][\w:.-]{0,30}$")]
    private static partial Regex Plain();
}
