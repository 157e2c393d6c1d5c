using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;

namespace Dts.Master.Jobs;

/// <summary>One run in any state.</summary>
/// <param name="State">queued, claimed, running, ended.</param>
/// <param name="Ending">How it ended; null = it has not.</param>
/// <param name="Reason">Why it ended so; empty = after success, or it has not ended.</param>
/// <param name="Worker">The worker that has or had it; in the queue, the only one that may claim it; empty = any.</param>
/// <param name="Cause">The run whose end led to this one: of another job, or the attempt before; null = none, or not known.</param>
/// <param name="Attempts">All attempts of this run, the first first.</param>
/// <param name="Triggered">The runs of other jobs that its end led to.</param>
/// <param name="IsKillAsked">There is a request to end it.</param>
/// <param name="Record">Its record; null = there is none yet.</param>
internal sealed record RunView(
    string JobName,
    string RunId,
    string State,
    RunStatus? Ending,
    string Reason,
    RunTimeline Timeline,
    string Worker,
    int Attempt,
    string Trigger,
    RunLink? Cause,
    IReadOnlyList<RunLink> Attempts,
    IReadOnlyList<RunLink> Triggered,
    bool IsKillAsked,
    RunRecord? Record);

/// <summary>The times of a run. Null = it has not happened, or is not known.</summary>
/// <param name="NotBefore">When it may start.</param>
/// <param name="AheadMs">How long before its time it was claimed.</param>
/// <param name="LagMs">How late it started; only for the schedule's own.</param>
/// <param name="UsualMs">The median of the job's durations in thirty days.</param>
/// <param name="TimeoutMs">How long it may take.</param>
internal sealed record RunTimeline(
    DateTimeOffset PlanTime,
    DateTimeOffset? NotBefore = null,
    DateTimeOffset? ClaimedAt = null,
    long? AheadMs = null,
    DateTimeOffset? StartedAt = null,
    long? LagMs = null,
    DateTimeOffset? EndedAt = null,
    long? DurationMs = null,
    long? UsualMs = null,
    long? TimeoutMs = null)
{
    public static RunTimeline Of(UnendedRun run) => new(
        run.PlanTime,
        run.NotBefore,
        run.ClaimedAt,
        run.ClaimedAt is { } claimed ? (long)(run.NotBefore - claimed).TotalMilliseconds : null);

    public static RunTimeline Of(RunRecord record)
    {
        var hasRun = EndedRun.HasRun(record.Status);
        var isScheduled = record.Trigger == RunSpec.Schedule;
        return new RunTimeline(
            At(record.PlanTime),
            isScheduled ? At(record.PlanTime) : null,
            record.ScheduleTime > 0 ? At(record.ScheduleTime) : null,
            isScheduled && record.ScheduleTime > 0 ? record.PlanTime - record.ScheduleTime : null,
            hasRun ? At(record.StartTime) : null,
            hasRun && isScheduled ? record.StartTime - record.PlanTime : null,
            At(record.EndTime),
            hasRun ? record.EndTime - record.StartTime : null);
    }

    private static DateTimeOffset At(long ms) => DateTimeOffset.FromUnixTimeMilliseconds(ms);
}

/// <summary>A link to another run.</summary>
/// <param name="State">queued, claimed, running, ended; null = it was not read.</param>
internal sealed record RunLink(string JobName, string RunId, int Attempt, string Trigger, string? State, RunStatus? Ending, string Url)
{
    public static RunLink To(string id) => id.Split('/', 2) is [var job, var runId]
        ? new RunLink(job, runId, Common.Jobs.RunId.TryParse(runId, out var parts) ? parts.Attempt : 1, "", null, null, UrlOf(job, runId))
        : new RunLink("", id, 1, "", null, null, "");

    public static RunLink To(RunRecord record)
    {
        var runId = EndedRun.RunIdOf(record.Id, record.JobName);
        return new RunLink(
            record.JobName, runId, record.Attempt, record.Trigger, UnendedRun.Ended, record.Status, UrlOf(record.JobName, runId));
    }

    public static RunLink To(UnendedRun run) =>
        new(run.JobName, run.RunId, run.Attempt, run.Trigger, run.State, null, UrlOf(run.JobName, run.RunId));

    private static string UrlOf(string job, string runId) => $"/api/v1/runs/{Uri.EscapeDataString(job)}/{Uri.EscapeDataString(runId)}";
}
