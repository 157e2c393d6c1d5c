using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Common.Logs;

/// <summary>What is kept of one planned fire. The first eight members are the original's, with its names and units.</summary>
/// <param name="Err">Empty = success.</param>
/// <param name="Output">stdout and stderr as they came.</param>
/// <param name="PlanTime">Milliseconds since the epoch, as all times here; 0 = it never came to that.</param>
/// <param name="ScheduleTime">When it was claimed.</param>
/// <param name="Id"><c>job/runId</c>: writing a record twice is harmless.</param>
/// <param name="FencingToken">The revision of the claim: never goes down for a job.</param>
/// <param name="CpuMs">Processor time; of all its processes where the run had a cgroup, else of those that were waited for.</param>
/// <param name="MaxRssKb">The largest of its processes that were waited for; 0 = not known.</param>
/// <param name="PeakMemoryBytes">The most memory that all its processes had at one time; 0 = not known, for it had no cgroup.</param>
/// <param name="OomKilled">The kernel killed it, or one of its processes, for want of memory.</param>
/// <param name="OutputBytes">What the command wrote, before anything was cut.</param>
/// <param name="OutputTruncated">The record keeps only head and tail of it.</param>
/// <param name="OutputStored">How many bytes of it, from the first on, are kept as chunks; 0 = what the record has is all there is.</param>
/// <param name="MissedCount">For a missed record that stands for several planned fires: how many, the last at PlanTime.</param>
/// <param name="MissedSince">They came after this.</param>
/// <param name="LostAt">When others had declared it lost, although its worker saw it to its end; 0 = nobody had.</param>
/// <param name="LastLine">The last line of the output that is not empty, as it can be shown in a list; empty = there is none.</param>
/// <param name="Cause">The run (<c>job/runId</c>) whose end led to this one, for a dependent job; empty = none, or not known.</param>
/// <param name="ExpireAt">When the record may be removed.</param>
/// <param name="Processes">Its processes just before it was killed or timed out; null = it was not, or they are not known.</param>
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
