using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Common.Logs;

/// <summary>
/// The record of a run, or of fires that did not become runs. The first eight members have the names and units of the original system.
/// </summary>
/// <param name="Err">Empty = success.</param>
/// <param name="Output">stdout and stderr, interleaved as written.</param>
/// <param name="PlanTime">Milliseconds since the epoch, like all times here; 0 = that never happened.</param>
/// <param name="ScheduleTime">When it was claimed.</param>
/// <param name="Id"><c>job/runId</c>: writing a record twice is harmless.</param>
/// <param name="FencingToken">The revision of the claim; it never decreases for a job.</param>
/// <param name="CpuMs">Processor time; with a cgroup that of all its processes, else of those that were waited for.</param>
/// <param name="MaxRssKb">The largest resident set among the processes that were waited for; 0 = unknown.</param>
/// <param name="PeakMemoryBytes">The most memory of all its processes together; 0 = unknown, because it had no cgroup.</param>
/// <param name="OomKilled">The kernel killed it, or one of its processes, because memory ran out.</param>
/// <param name="OutputBytes">The length of the whole output.</param>
/// <param name="OutputTruncated">The record has only head and tail of the output.</param>
/// <param name="OutputStored">The bytes, from the first on, that are kept as chunks; 0 = none beyond this record.</param>
/// <param name="MissedCount">The number of missed fires that this record stands for; the last one is at PlanTime.</param>
/// <param name="MissedSince">All of them are after this.</param>
/// <param name="LostAt">When others declared the run lost, although its worker saw its end; 0 = never.</param>
/// <param name="LastLine">The last line of the output that is not blank, for lists; empty = there is none.</param>
/// <param name="Cause">For a dependent job, the run (<c>job/runId</c>) whose end triggered this one; empty = none, or unknown.</param>
/// <param name="ExpireAt">When the record may be removed.</param>
/// <param name="Processes">Its processes just before the kill or timeout; null = there was none, or they are unknown.</param>
public sealed record RunRecord(
    string JobName,
    string Command,
    string Err,
    [property: JsonConverter(typeof(LongText))] string Output,
    long PlanTime,
    long ScheduleTime,
    long StartTime,
    long EndTime,
    [property: JsonPropertyName("_id")] string Id,
    RunStatus Status,
    int? ExitCode = null,
    int? Signal = null,
    string Worker = "",
    string Host = "",
    int Attempt = 1,
    string Trigger = RunSpec.Schedule,
    long JobRevision = 0,
    long FencingToken = 0,
    long CpuMs = 0,
    long MaxRssKb = 0,
    long PeakMemoryBytes = 0,
    bool OomKilled = false,
    long OutputBytes = 0,
    bool OutputTruncated = false,
    long OutputStored = 0,
    long MissedCount = 0,
    long MissedSince = 0,
    long LostAt = 0,
    string LastLine = "",
    string Cause = "",
    DateTimeOffset ExpireAt = default,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<RunProcess>? Processes = null);
