using System.Globalization;

namespace Dts.Common.Jobs;

/// <summary>A member of a job's JSON. The table of all members is used to read a job and to check it.</summary>
/// <param name="Expected">The values that it may have, in words, for the refusal of a value that cannot be read.</param>
/// <param name="FindFault">Returns the fault of the job's value, or null. It gets the member's name for its message.</param>
internal sealed record JobMember(string Name, string Expected, Func<Job, string, string?>? FindFault = null)
{
    private const string Text = "a text";
    private const string Seconds = "a whole number of seconds";
    private const string Texts = "an object of texts";
    private const string Jobs = "a list of job names";
    private const int DayInSeconds = 86_400;
    private const int OutputLimitMin = 1024;
    private const int OutputLimitMax = 8 << 20;
    private const long MemoryMin = 1 << 20;
    private const long MemoryMost = 1L << 50;
    private const double CpuMin = 0.01; // The kernel's least quota is a millisecond in a hundred.
    private const double CpuMost = 10_000;
    private const int PidsMost = 4_194_304; // PID_MAX_LIMIT

    /// <summary>In the order of the parameters of <see cref="Job"/>.</summary>
    public static IReadOnlyList<JobMember> All { get; } =
    [
        new("name", Text, (job, name) => JobName.TryParse(job.Name, out _, out var error) ? null : error),
        new("command", Text, (job, name) => string.IsNullOrWhiteSpace(job.Command)
            ? $"{name} is empty; expected a shell command"
            : JobRules.FindBadText(name, job.Command)),
        new("cronExpr", Text),
        new("description", Text, (job, name) => JobRules.FindBadText(name, job.Description)),
        new("enabled", "true or false"),
        new("timeZone", Text),
        new("labels", Texts),
        new("mode", "one or all"),
        new("target", "an object {workers: [ids], labels: {…}}"),
        new("overlap", "forbid, allow or replace"),
        new("misfire", "skip, once or all"),
        new("startDeadlineSeconds", Seconds, (job, name) => OutOfRange(name, job.StartDeadlineSeconds, 1, 30 * DayInSeconds)),
        new("timeoutSeconds", Seconds, (job, name) => OutOfRange(name, job.TimeoutSeconds, 0, 365 * DayInSeconds)),
        new("killGraceSeconds", Seconds, (job, name) => OutOfRange(name, job.KillGraceSeconds, 0, 3600)),
        new("retry", "an object {max, delaySeconds, backoff, maxDelaySeconds, elsewhere}", (job, _) =>
            OutOfRange("retry.max", job.Retry.Max, 0, 100)
            ?? OutOfRange("retry.delaySeconds", job.Retry.DelaySeconds, 0, DayInSeconds)
            ?? OutOfRange("retry.maxDelaySeconds", job.Retry.MaxDelaySeconds, 0, 30 * DayInSeconds)
            ?? OutOfRange("retry.backoff", job.Retry.Backoff, 1, 100)),
        new("onWorkerLost", "record or rerun"),
        new("onDisconnect", "continue or kill"),
        new("user", Text, (job, name) => JobRules.FindBadUser(name, job.User)),
        new("cwd", Text, (job, name) => JobRules.FindBadPath(name, job.Cwd)),
        new("env", Texts, (job, _) => JobRules.FindBadEnv(job.Env)),
        new("shell", Text, (job, name) => JobRules.FindBadPath(name, job.Shell)),
        new("memoryMax", "a whole number of bytes, or a text such as \"512M\" (K, M, G or T)", (job, name) =>
            job.MemoryMax.Bytes is 0 or (>= MemoryMin and <= MemoryMost)
                ? null
                : $"{name} is {job.MemoryMax}; expected {new ByteSize(MemoryMin)} to {new ByteSize(MemoryMost)}, or 0 for no limit"),
        new("cpuMax", "a number of cores, such as 1.5", (job, name) => job.CpuMax is 0 or (>= CpuMin and <= CpuMost)
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"{name} is {job.CpuMax}; expected {CpuMin} to {CpuMost}, or 0 for no limit")),
        new("pidsMax", "a whole number of processes", (job, name) => OutOfRange(name, job.PidsMax, 0, PidsMost)),
        new("outputLimitBytes", "a whole number of bytes", (job, name) =>
            job.OutputLimitBytes == 0 ? null : OutOfRange(name, job.OutputLimitBytes, OutputLimitMin, OutputLimitMax)),
        new("retentionDays", "a whole number of days", (job, name) => OutOfRange(name, job.RetentionDays, 0, 36_500)),
        new("secrets", "a list of names of secrets", (job, name) => JobRules.FindBadSecrets(name, job.Secrets)),
        new("then", Jobs, (job, name) => JobRules.FindBadNames(name, job.Then) ?? JobRules.FindTooManyDependents(job)),
        new("onFailure", Jobs, (job, name) => JobRules.FindBadNames(name, job.OnFailure)),
        new("always", Jobs, (job, name) => JobRules.FindBadNames(name, job.Always)),
        new("alert", "an object {channel, on: [failing, recovered, missed, lost, slow, noSuccess], "
            + "after, slowFactor, noSuccessSeconds, quietSeconds}"),
    ];

    public static IReadOnlyList<JobMember> NameAndCommand { get; } = [.. All.Take(2)];

    public static JobMember? Find(string name) => All.FirstOrDefault(member => member.Name == name);

    public static string? OutOfRange(string field, double value, double min, double max) => value >= min && value <= max
        ? null
        : string.Create(CultureInfo.InvariantCulture, $"{field} is {value}; expected {min} to {max}");
}
