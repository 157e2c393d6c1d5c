using System.Text;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>
/// The rules for a job that runs; the master's <c>SaveRules</c> has more for a save. A refusal is one line that names the field, the value
/// and what was expected.
/// </summary>
public static class JobRules
{
    private const int TextBytesMax = 100_000; // Linux takes 128 KiB for one argument, MAX_ARG_STRLEN in execve(2).
    private const int EntryBytesMax = (128 << 10) - 1; // The same for NAME=VALUE, with its NUL.
    private const int DayInSeconds = 86_400;
    private const int SecretsMax = 20;
    private const int SecretNameMax = 100;
    private const int AlertAfterMax = 20; // As many endings as a master keeps of a job.
    private const int DependentsMax = 20; // They are put in one transaction with the end of the run.

    /// <summary>Why a job in etcd cannot run here, apart from its schedule; null = it can.</summary>
    /// <param name="restIsSound">All members but name and command are known to be right.</param>
    public static string? FindUnrunnable(Job job, bool restIsSound = false)
    {
        foreach (var member in restIsSound ? JobMember.NameAndCommand : JobMember.All)
        {
            if (member.FindFault?.Invoke(job, member.Name) is { } fault)
            {
                return fault;
            }
        }

        return null;
    }

    /// <summary>The fault of an alert; null = none. A job with a wrong alert runs all the same.</summary>
    /// <param name="path">Precedes the members' names in the message.</param>
    internal static string? FindBadAlert(string path, JobAlert alert) =>
        (WorkerRegistration.IsId(alert.Channel)
            ? null
            : $"{path}channel is \"{Display.Line(alert.Channel)}\"; expected {WorkerRegistration.ExpectedId}")
        ?? (alert.On.Count > 0 ? null : $"{path}on is empty; expected at least one of failing, recovered, missed, lost, slow, noSuccess")
        ?? JobMember.OutOfRange($"{path}after", alert.After, 1, AlertAfterMax)
        ?? JobMember.OutOfRange($"{path}slowFactor", alert.SlowFactor, 1, 1000)
        ?? JobMember.OutOfRange($"{path}noSuccessSeconds", alert.NoSuccessSeconds, 0, 365 * DayInSeconds)
        ?? (alert.NoSuccessSeconds == 0 && alert.On.Contains(AlertEvent.NoSuccess)
            ? $"{path}noSuccessSeconds is 0; expected the seconds after which noSuccess is told"
            : null)
        ?? JobMember.OutOfRange($"{path}quietSeconds", alert.QuietSeconds, 0, 30 * DayInSeconds);

    internal static string? FindBadEnv(IReadOnlyDictionary<string, string> env) =>
        env.Count == 0
            ? null
            : env.Select(variable => FindBadVariable(variable.Key, variable.Value)).FirstOrDefault(fault => fault is not null);

    /// <summary>
    /// A secret is a file of the worker's secrets folder, or one of its credentials. Those that begin with DTS_ are the worker's own
    /// settings.
    /// </summary>
    internal static string? FindBadSecrets(string field, IReadOnlyList<string> names) =>
        names.Count == 0 ? null
        : names.FirstOrDefault(name => !IsSecretName(name)) is { } wrong
            ? $"{field} has \"{Display.Line(wrong)}\"; expected a file's name of 1 to {SecretNameMax} letters, digits, '.', '_' or '-', "
                + "which does not begin with '.' or DTS_"
        : names.Count > SecretsMax ? $"{field} has {names.Count} names; expected at most {SecretsMax}"
        : names.Distinct().Count() < names.Count ? $"{field} names a secret twice; expected each once"
        : null;

    private static bool IsSecretName(string name) => name.Length is >= 1 and <= SecretNameMax
        && name[0] != '.'
        && !name.StartsWith("DTS_", StringComparison.OrdinalIgnoreCase)
        && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-');

    internal static string? FindBadUser(string field, string user) =>
        user.Length == 0 || (user.Length <= 100
            && !user.StartsWith('-')
            && user.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-' or '@' or '$'))
                ? null
                : $"{field} \"{Display.Line(user)}\" is not a user's name; "
                    + "expected letters, digits, '.', '_', '-', '@' or '$', at most 100, the first no '-'";

    internal static string? FindBadNames(string field, IReadOnlyList<string> names) =>
        names.Count == 0 ? null
        : names.FirstOrDefault(name => !JobName.TryParse(name, out _, out _)) is { } wrong
            ? $"{field} has \"{Display.Line(wrong)}\", which is not a job's name; expected names of jobs"
            : null;

    internal static string? FindTooManyDependents(Job job) =>
        job.Then.Count + job.OnFailure.Count + job.Always.Count <= DependentsMax ? null
        : job.Dependents.Distinct().Count() is var count and > DependentsMax
        ? $"then, onFailure and always name {count} jobs; expected at most {DependentsMax}"
        : null;

    internal static string? FindBadText(string field, string text)
    {
        if (text.Contains('\0'))
        {
            return $"{field} has a NUL character; expected text without";
        }

        return Encoding.UTF8.GetByteCount(text) is var bytes && bytes > TextBytesMax
            ? $"{field} has {bytes} bytes; expected at most {TextBytesMax}"
            : null;
    }

    internal static string? FindBadPath(string field, string path) =>
        path.Length == 0 || (path[0] == '/' && !path.EnumerateRunes().Any(Display.IsHidden))
        ? null
        : $"{field} is \"{Display.Line(path)}\"; expected an absolute path of printable characters";

    private static string? FindBadVariable(string name, string value)
    {
        if (name.Length == 0 || char.IsAsciiDigit(name[0]) || !name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_'))
        {
            return $"env \"{Display.Line(name)}\" is not a variable's name; expected letters, digits and '_'";
        }

        return name.StartsWith("DTS_", StringComparison.Ordinal)
            ? $"env \"{Display.Line(name)}\" begins with DTS_, which DTS sets itself; expected another name"
            : FindBadText($"env {Display.Line(name)}", value)
                ?? (name.Length + 1 + Encoding.UTF8.GetByteCount(value) is var bytes and > EntryBytesMax
                    ? $"env {Display.Line(name)} has {bytes} bytes with its name; expected at most {EntryBytesMax}"
                    : null);
    }
}
