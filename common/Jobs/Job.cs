using System.Collections.ObjectModel;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dts.Common.Jobs;

/// <summary>A job, as etcd has it. A job with only name, command and cronExpr behaves like a line of a crontab.</summary>
/// <param name="TimeZone">IANA id; empty = the worker's default.</param>
/// <param name="StartDeadlineSeconds">How late a fire may still start; after that it ends as missed.</param>
/// <param name="TimeoutSeconds">How long a run may take; 0 = no limit.</param>
/// <param name="KillGraceSeconds">The time between SIGTERM and SIGKILL.</param>
/// <param name="User">The user that the command runs as, if the worker's setting runAs allows it; empty = the worker's jobUser.</param>
/// <param name="Shell">The shell that gets the command with -c; empty = the worker's default.</param>
/// <param name="Cwd">The folder that the command starts in; empty = the home of its user.</param>
/// <param name="MemoryMax">The most memory that a run may have, with all its processes; 0 = no limit.</param>
/// <param name="CpuMax">How many processor cores it may keep busy, such as 1.5; 0 = all.</param>
/// <param name="PidsMax">How many processes and threads it may have at a time; 0 = no limit.</param>
/// <param name="OutputLimitBytes">How much output a record keeps, head and tail; 0 = the worker's default.</param>
/// <param name="RetentionDays">How long records are kept; 0 = the default of the log.</param>
/// <param name="Secrets">Files of the worker's secrets folder that the command gets, by name.</param>
/// <param name="Then">Jobs that run when a run of this one has succeeded.</param>
/// <param name="OnFailure">Jobs that run when one has failed for good: failed, timedOut or lost, with no retry or rerun left.</param>
/// <param name="Always">Jobs that run when one has ended in either way, or was killed.</param>
/// <param name="Alert">An alert of its own, in addition to the masters' rules; null = none.</param>
public sealed record Job(
    string Name,
    string Command,
    string CronExpr,
    string Description = "",
    bool Enabled = true,
    string TimeZone = "",
    IReadOnlyDictionary<string, string>? Labels = null,
    JobMode Mode = JobMode.One,
    Target? Target = null,
    Overlap Overlap = Overlap.Forbid,
    Misfire Misfire = Misfire.Skip,
    int StartDeadlineSeconds = 60,
    int TimeoutSeconds = 0,
    int KillGraceSeconds = 5,
    Retry? Retry = null,
    OnWorkerLost OnWorkerLost = OnWorkerLost.Record,
    OnDisconnect OnDisconnect = OnDisconnect.Continue,
    string User = "",
    string Cwd = "",
    IReadOnlyDictionary<string, string>? Env = null,
    string Shell = "",
    ByteSize MemoryMax = default,
    double CpuMax = 0,
    int PidsMax = 0,
    int OutputLimitBytes = 0,
    int RetentionDays = 0,
    IReadOnlyList<string>? Secrets = null,
    IReadOnlyList<string>? Then = null,
    IReadOnlyList<string>? OnFailure = null,
    IReadOnlyList<string>? Always = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JobAlert? Alert = null)
{
    private static readonly IReadOnlyDictionary<string, string> NoTexts = ReadOnlyDictionary<string, string>.Empty;
    private static readonly Target Anyone = new();
    private static readonly Retry Never = new();

    public IReadOnlyDictionary<string, string> Labels { get; init; } = Labels ?? NoTexts;

    public Target Target { get; init; } = Target ?? Anyone;

    public Retry Retry { get; init; } = Retry ?? Never;

    public IReadOnlyDictionary<string, string> Env { get; init; } = Env ?? NoTexts;

    public IReadOnlyList<string> Secrets { get; init; } = Secrets ?? [];

    public IReadOnlyList<string> Then { get; init; } = Then ?? [];

    public IReadOnlyList<string> OnFailure { get; init; } = OnFailure ?? [];

    public IReadOnlyList<string> Always { get; init; } = Always ?? [];

    /// <summary>The jobs that run when a run of this one has ended, one way or the other.</summary>
    [JsonIgnore]
    public IEnumerable<string> Dependents => Then.Concat(OnFailure).Concat(Always);

    /// <summary>Members that this version does not know. They survive a save.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}
