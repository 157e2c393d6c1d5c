using System.Text.Json.Serialization;
using Dts.Common.Jobs;

namespace Dts.Master.Views;

/// <summary>A job in a list. Times are UTC.</summary>
/// <param name="TimeZone">Empty = the setting's.</param>
/// <param name="Words">The schedule in words.</param>
/// <param name="Why">Why no worker can run it; null = workers can.</param>
/// <param name="Last">The latest run that has ended; null = there is none in the log, or endings have not been read yet.</param>
/// <param name="Running">How many runs are in flight.</param>
/// <param name="Queued">How many runs wait in the queue.</param>
/// <param name="Next">The next plan time; null = there is none.</param>
/// <param name="Streak">How many runs in a row have failed, timed out, been lost or missed, 20 at most; null = not read yet.</param>
/// <param name="Endings">The last 20, newest last; null = not read yet.</param>
/// <param name="UsualMs">The median duration of those that succeeded; null = there are none.</param>
internal sealed record JobRow(
    string Name,
    string Description,
    IReadOnlyDictionary<string, string> Labels,
    bool Enabled,
    string CronExpr,
    string TimeZone,
    string Words,
    JobState State,
    string? Why,
    LastRun? Last,
    int Running,
    int Queued,
    DateTime? Next,
    int? Streak,
    IReadOnlyList<EndingRow>? Endings,
    long? UsualMs)
{
    /// <summary>A mute of alerts covers it. Only lists tell.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsMuted { get; init; }

    public static JobRow Of(JobEntry job, ClusterState state, DateTimeOffset now)
    {
        var endings = job.Endings.Unpack();
        var isUnknown = job.Endings.IsUnknown;
        return new JobRow(
            job.Name,
            job.Description,
            job.Labels.ToDictionary(),
            job.IsEnabled,
            job.Timing.CronExpr,
            job.Timing.TimeZone,
            job.Timing.Words,
            state.StateOf(job),
            job.Broken.Length > 0 ? job.Broken : null,
            LastRun.Of(job),
            state.Runs.CountInFlight(job.Name),
            state.Runs.CountQueued(job.Name),
            job.NextAfter(now.ToUnixTimeSeconds()) is { } next ? DateTimeOffset.FromUnixTimeSeconds(next).UtcDateTime : null,
            isUnknown ? null : JobEntry.StreakOf(endings),
            isUnknown ? null : [.. endings.Select(EndingRow.Of)],
            JobEntry.UsualOf(endings));
    }
}

/// <summary>The latest run of a job that has ended.</summary>
/// <param name="StartedAt">Of a run that did not start: when that was decided.</param>
/// <param name="DurationMs">Null = no command ran, or its end is not known.</param>
/// <param name="Err">Why it did not succeed; empty = it did.</param>
/// <param name="LastLine">The last line of its output, if the run needs attention; empty = none, or not known.</param>
internal sealed record LastRun(
    string RunId, RunStatus Ending, DateTime PlanTime, DateTime StartedAt, long? DurationMs, string Worker, string Err, string LastLine)
{
    public static LastRun? Of(JobEntry job) => job.LastStatus is not { } status
        ? null
        : new LastRun(
            job.LastRunId,
            status,
            job.LastPlanTime.UtcDateTime,
            DateTimeOffset.FromUnixTimeMilliseconds(job.LastStart).UtcDateTime,
            job.LastDurationMs,
            job.LastWorker,
            job.LastErr,
            job.LastLine);
}

/// <summary>One of the last endings of a job.</summary>
/// <param name="StartedAt">To the second; of a run that did not start: when that was decided.</param>
/// <param name="DurationMs">Rounded to a part in two thousand; null = no command ran, or its end is not known.</param>
internal sealed record EndingRow(RunStatus Ending, DateTime StartedAt, long? DurationMs)
{
    public static EndingRow Of(Ending ending) =>
        new(ending.Status, DateTimeOffset.FromUnixTimeSeconds(ending.StartedAt).UtcDateTime, ending.DurationMs);
}
