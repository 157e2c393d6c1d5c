using System.Text;
using Dts.Common.Cron;

namespace Dts.Common.Jobs;

/// <summary>What a job must be like to be accepted. A refusal is one line that names the field, the value and what was expected.</summary>
public static class JobRules
{
    private const int CommandBytesMax = 100_000; // Linux takes 128 KiB for one argument, MAX_ARG_STRLEN in execve(2).
    private const int OutputLimitMin = 1024;
    private const int OutputLimitMax = 8 << 20;
    private const int DayInSeconds = 86_400;

    /// <summary>The first thing that is wrong with a job that is to be saved; null = nothing.</summary>
    public static string? FindFault(Job job, CronZone defaultZone, DateTimeOffset now) =>
        FindUnsound(job)
        ?? FindUnsupported(job)
        ?? (JobSchedule.TryParse(job, defaultZone, out var schedule, out var error) ? null : error)
        ?? (schedule!.Next(now) is null ? $"cronExpr \"{Display.Line(job.CronExpr)}\" never fires from now on; expected an expression that does" : null);

    /// <summary>What keeps a job that stands in etcd from running here, other than its schedule; null = nothing.</summary>
    public static string? FindUnrunnable(Job job) => FindUnsound(job) ?? FindUnsupported(job);

    private static string? FindUnsound(Job job) =>
        (JobName.TryParse(job.Name, out _, out var error) ? null : error)
        ?? (string.IsNullOrWhiteSpace(job.Command) ? "command is empty; expected a shell command" : null)
        ?? FindBadText("command", job.Command, CommandBytesMax)
        ?? FindBadText("description", job.Description, CommandBytesMax)
        ?? FindBadPath("cwd", job.Cwd)
        ?? FindBadPath("shell", job.Shell)
        ?? OutOfRange("startDeadlineSeconds", job.StartDeadlineSeconds, 1, DayInSeconds)
        ?? OutOfRange("timeoutSeconds", job.TimeoutSeconds, 0, 365 * DayInSeconds)
        ?? OutOfRange("killGraceSeconds", job.KillGraceSeconds, 0, 3600)
        ?? OutOfRange("retentionDays", job.RetentionDays, 0, 36_500)
        ?? (job.OutputLimitBytes == 0 ? null : OutOfRange("outputLimitBytes", job.OutputLimitBytes, OutputLimitMin, OutputLimitMax))
        ?? job.Env.Select(variable => FindBadVariable(variable.Key, variable.Value)).FirstOrDefault(fault => fault is not null);

    private static string? FindUnsupported(Job job) =>
        Unsupported("mode", "all", job.Mode != JobMode.One, "one")
        ?? Unsupported("target", "workers or labels", !job.Target.IsAnyone, "no target: any worker")
        ?? Unsupported("overlap", "replace", job.Overlap == Overlap.Replace, "forbid or allow")
        ?? Unsupported("misfire", "once or all", job.Misfire != Misfire.Skip, "skip")
        ?? Unsupported("retry", "max above 0", job.Retry.Max != 0, "max 0")
        ?? Unsupported("onWorkerLost", "rerun", job.OnWorkerLost != OnWorkerLost.Record, "record")
        ?? Unsupported("onDisconnect", "kill", job.OnDisconnect != OnDisconnect.Continue, "continue")
        ?? Unsupported("user", job.User, job.User.Length > 0, "no user: the worker's own")
        ?? Unsupported("then", "job names", job.Then.Count > 0, "an empty list");

    private static string? Unsupported(string field, string value, bool asked, string expected) =>
        asked ? $"not supported yet: {field} \"{Display.Line(value)}\"; expected {expected}" : null;

    private static string? OutOfRange(string field, int value, int min, int max) =>
        value >= min && value <= max ? null : $"{field} is {value}; expected {min} to {max}";

    private static string? FindBadText(string field, string text, int bytesMax)
    {
        if (text.Contains('\0'))
        {
            return $"{field} has a NUL character; expected text without";
        }

        return Encoding.UTF8.GetByteCount(text) is var bytes && bytes > bytesMax ? $"{field} has {bytes} bytes; expected at most {bytesMax}" : null;
    }

    private static string? FindBadPath(string field, string path) => path.Length == 0 || (path[0] == '/' && !path.Contains('\0'))
        ? null
        : $"{field} \"{Display.Line(path)}\" is not absolute; expected a path that begins with '/'";

    private static string? FindBadVariable(string name, string value)
    {
        if (name.Length == 0 || char.IsAsciiDigit(name[0]) || !name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_'))
        {
            return $"env \"{Display.Line(name)}\" is no variable's name; expected letters, digits and '_'";
        }

        return name.StartsWith("DTS_", StringComparison.Ordinal)
            ? $"env \"{Display.Line(name)}\" begins with DTS_, which DTS sets itself; expected another name"
            : FindBadText($"env {name}", value, CommandBytesMax);
    }
}
