using System.Globalization;
using System.Text;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>
/// What a job must be like to run; a save asks for more, see the master's <c>SaveRules</c>. A refusal is one line that names the field, the
/// value and what was expected.
/// </summary>
public static class JobRules
{
    private const int CommandBytesMax = 100_000; // Linux takes 128 KiB for one argument, MAX_ARG_STRLEN in execve(2).
    private const int EntryBytesMax = (128 << 10) - 1; // The same for NAME=VALUE, with its NUL.
    private const int OutputLimitMin = 1024;
    private const int OutputLimitMax = 8 << 20;
    private const long MemoryMin = 1 << 20;
    private const long MemoryMost = 1L << 50;
    private const double CpuMin = 0.01; // The kernel's least quota is a millisecond in a hundred.
    private const double CpuMost = 10_000;
    private const int PidsMost = 4_194_304; // PID_MAX_LIMIT
    private const int DayInSeconds = 86_400;
    private const int SecretsMax = 20;
    private const int SecretNameMax = 100;
    private const int AlertAfterMax = 20; // As many endings as a master keeps of a job.
    private const int DependentsMax = 20; // They are put in one transaction with the end of the run.

    /// <summary>What keeps a job that stands in etcd from running here, other than its schedule; null = nothing.</summary>
    public static string? FindUnrunnable(Job job) => (JobName.TryParse(job.Name, out _, out var error) ? null : error)
        ?? (string.IsNullOrWhiteSpace(job.Command) ? "command is empty; expected a shell command" : null)
        ?? FindBadText("command", job.Command, CommandBytesMax)
        ?? FindBadText("description", job.Description, CommandBytesMax)
        ?? (IsUserName(job.User)
            ? null
            : $"user \"{Display.Line(job.User)}\" is no user's name; "
                + "expected letters, digits, '.', '_', '-', '@' or '$', at most 100, the first no '-'")
        ?? FindBadPath("cwd", job.Cwd)
        ?? FindBadPath("shell", job.Shell)
        ?? OutOfRange("startDeadlineSeconds", job.StartDeadlineSeconds, 1, 30 * DayInSeconds)
        ?? OutOfRange("timeoutSeconds", job.TimeoutSeconds, 0, 365 * DayInSeconds)
        ?? OutOfRange("killGraceSeconds", job.KillGraceSeconds, 0, 3600)
        ?? OutOfRange("retentionDays", job.RetentionDays, 0, 36_500)
        ?? (job.OutputLimitBytes == 0 ? null : OutOfRange("outputLimitBytes", job.OutputLimitBytes, OutputLimitMin, OutputLimitMax))
        ?? FindBadLimit(job)
        ?? FindBadRetry(job.Retry)
        ?? FindBadDependents(job)
        ?? FindBadEnv(job.Env)
        ?? FindBadSecrets(job.Secrets);

    /// <summary>What is wrong with an alert; null = nothing. A job with a wrong one runs all the same.</summary>
    /// <param name="path">What the members' names begin with in the message.</param>
    internal static string? FindBadAlert(string path, JobAlert alert) =>
        (WorkerRegistration.IsId(alert.Channel)
            ? null
            : $"{path}channel is \"{Display.Line(alert.Channel)}\"; expected {WorkerRegistration.ExpectedId}")
        ?? (alert.On.Count > 0 ? null : $"{path}on is empty; expected at least one of failing, recovered, missed, lost, slow, noSuccess")
        ?? OutOfRange($"{path}after", alert.After, 1, AlertAfterMax)
        ?? (alert.SlowFactor is >= 1 and <= 1000
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"{path}slowFactor is {alert.SlowFactor}; expected 1 to 1000"))
        ?? OutOfRange($"{path}noSuccessSeconds", alert.NoSuccessSeconds, 0, 365 * DayInSeconds)
        ?? (alert.NoSuccessSeconds == 0 && alert.On.Contains(AlertEvent.NoSuccess)
            ? $"{path}noSuccessSeconds is 0; expected the seconds after which noSuccess is told"
            : null)
        ?? OutOfRange($"{path}quietSeconds", alert.QuietSeconds, 0, 30 * DayInSeconds);

    internal static string? FindBadEnv(IReadOnlyDictionary<string, string> env) =>
        env.Select(variable => FindBadVariable(variable.Key, variable.Value)).FirstOrDefault(fault => fault is not null);

    /// <summary>
    /// A secret is a file of the worker's secrets folder, or one of its credentials. Those that begin with DTS_ are the worker's own
    /// settings.
    /// </summary>
    private static string? FindBadSecrets(IReadOnlyList<string> names) =>
        names.FirstOrDefault(name => !IsSecretName(name)) is { } wrong
            ? $"secrets has \"{Display.Line(wrong)}\"; expected a file's name of 1 to {SecretNameMax} letters, digits, '.', '_' or '-', "
                + "which does not begin with '.' or DTS_"
        : names.Count > SecretsMax ? $"secrets has {names.Count} names; expected at most {SecretsMax}"
        : names.Distinct().Count() < names.Count ? "secrets names a secret twice; expected each once"
        : null;

    private static bool IsSecretName(string name) => name.Length is >= 1 and <= SecretNameMax
        && name[0] != '.'
        && !name.StartsWith("DTS_", StringComparison.OrdinalIgnoreCase)
        && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-');

    private static bool IsUserName(string name) => name.Length <= 100
            && !name.StartsWith('-')
            && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-' or '@' or '$');

    private static string? FindBadLimit(Job job) => (job.MemoryMax.Bytes is 0 or (>= MemoryMin and <= MemoryMost)
            ? null
            : $"memoryMax is {job.MemoryMax}; expected {new ByteSize(MemoryMin)} to {new ByteSize(MemoryMost)}, or 0 for no limit")
        ?? (job.CpuMax is 0 or (>= CpuMin and <= CpuMost)
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"cpuMax is {job.CpuMax}; expected {CpuMin} to {CpuMost}, or 0 for no limit"))
        ?? OutOfRange("pidsMax", job.PidsMax, 0, PidsMost);

    private static string? FindBadRetry(Retry retry) => OutOfRange("retry.max", retry.Max, 0, 100)
        ?? OutOfRange("retry.delaySeconds", retry.DelaySeconds, 0, DayInSeconds)
        ?? OutOfRange("retry.maxDelaySeconds", retry.MaxDelaySeconds, 0, 30 * DayInSeconds)
        ?? (retry.Backoff is >= 1 and <= 100
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"retry.backoff is {retry.Backoff}; expected 1 to 100"));

    private static string? FindBadDependents(Job job)
    {
        foreach (var (field, names) in new[] { ("then", job.Then), ("onFailure", job.OnFailure), ("always", job.Always) })
        {
            if (names.FirstOrDefault(name => !JobName.TryParse(name, out _, out _)) is { } wrong)
            {
                return $"{field} has \"{Display.Line(wrong)}\", which is no job's name; expected names of jobs";
            }
        }

        return job.Dependents.Distinct().Count() is var count and > DependentsMax
            ? $"then, onFailure and always name {count} jobs; expected at most {DependentsMax}"
            : null;
    }

    private static string? OutOfRange(string field, int value, int min, int max) =>
        value >= min && value <= max ? null : $"{field} is {value}; expected {min} to {max}";

    private static string? FindBadText(string field, string text, int bytesMax)
    {
        if (text.Contains('\0'))
        {
            return $"{field} has a NUL character; expected text without";
        }

        return Encoding.UTF8.GetByteCount(text) is var bytes && bytes > bytesMax
            ? $"{field} has {bytes} bytes; expected at most {bytesMax}"
            : null;
    }

    private static string? FindBadPath(string field, string path) =>
        path.Length == 0 || (path[0] == '/' && !path.EnumerateRunes().Any(Display.IsHidden))
        ? null
        : $"{field} is \"{Display.Line(path)}\"; expected an absolute path of printable characters";

    private static string? FindBadVariable(string name, string value)
    {
        if (name.Length == 0 || char.IsAsciiDigit(name[0]) || !name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_'))
        {
            return $"env \"{Display.Line(name)}\" is no variable's name; expected letters, digits and '_'";
        }

        return name.StartsWith("DTS_", StringComparison.Ordinal)
            ? $"env \"{Display.Line(name)}\" begins with DTS_, which DTS sets itself; expected another name"
            : FindBadText($"env {Display.Line(name)}", value, CommandBytesMax)
                ?? (name.Length + 1 + Encoding.UTF8.GetByteCount(value) is var bytes and > EntryBytesMax
                    ? $"env {Display.Line(name)} has {bytes} bytes with its name; expected at most {EntryBytesMax}"
                    : null);
    }
}
