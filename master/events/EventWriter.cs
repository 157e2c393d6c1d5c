using System.Text.Json;
using Dts.Master.Jobs;
using Dts.Master.Logs;
using Dts.Master.Views;

namespace Dts.Master.Events;

/// <summary>Turns changes of the view into events.</summary>
internal static class EventWriter
{
    public const string Job = "job";
    public const string Run = "run";
    public const string Worker = "worker";

    /// <summary>The event of a change; null = it makes none.</summary>
    public static FeedEvent? Write(ClusterChange change, ClusterState state, DateTimeOffset now) => change switch
    {
        ClusterChange.JobPut(var before, var job) => OfJob(job, before, state, now),
        ClusterChange.EndingsRead(var job) => OfJob(job, null, state, now),
        ClusterChange.JobGone(var before) => new FeedEvent(Job, Gone(before.Name), new EventSubject(before, null)),
        ClusterChange.Queued(var job, var runId) => OfUnended(RunEvent.Queued, job, runId, state, now),
        ClusterChange.Dequeued(var job, var runId) => OfRun(RunEvent.Dequeued, job, runId, null, null, state, now),
        ClusterChange.Claimed(var job, var runId) => OfUnended(RunEvent.Started, job, runId, state, now),
        ClusterChange.Ended(var job, var runId, var worker) => OfRun(RunEvent.EndedNow, job, runId, null, null, state, now, worker),
        ClusterChange.Recorded { IsFirstRead: false } recorded => OfRun(
            RunEvent.Recorded, recorded.Job.Name, recorded.Run.RunId, null, recorded, state, now, recorded.Run.Worker),
        ClusterChange.Recorded => null,
        ClusterChange.WorkerPut(var id, var isNew) => OfWorker(isNew ? "joined" : "changed", id, state),
        ClusterChange.WorkerLeft(var id) => OfWorker("left", id, state),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>The data of an event for a listener whose filter a job has left.</summary>
    public static byte[] Gone(string job) =>
        JsonSerializer.SerializeToUtf8Bytes(new JobEvent(JobEvent.Gone, job, null), EventJson.Readable.JobEvent);

    private static FeedEvent OfJob(JobEntry job, JobFace? before, ClusterState state, DateTimeOffset now) => new(
        Job,
        JsonSerializer.SerializeToUtf8Bytes(
            new JobEvent(JobEvent.Changed, job.Name, JobRow.Of(job, state, now)), EventJson.Readable.JobEvent),
        new EventSubject(before, JobFace.Of(job)));

    private static FeedEvent? OfUnended(string change, string job, string runId, ClusterState state, DateTimeOffset now) =>
        state.Runs.InFlightOf(job).Concat(state.Runs.QueuedOf(job)).FirstOrDefault(run => run.RunId == runId) is { } run
            // All listeners get the same bytes, and not each may know the job that led to the run.
            ? OfRun(change, job, runId, run.At(now) with { Cause = "" }, null, state, now, run.ClaimedBy)
            : null; // It is in flight already, or has ended meanwhile.

    private static FeedEvent? OfRun(
        string change,
        string name,
        string runId,
        UnendedRun? run,
        ClusterChange.Recorded? recorded,
        ClusterState state,
        DateTimeOffset now,
        string worker = "")
    {
        if (state.Jobs.Find(name) is not { } job)
        {
            return null; // Deleted: listeners were told.
        }

        var data = new RunEvent(
            change,
            name,
            runId,
            run,
            recorded is null ? null : Of(recorded.Run),
            recorded is null ? null : EndingRow.Of(recorded.Endings[^1]),
            RowChange.Of(JobRow.Of(job, state, now)));
        return new FeedEvent(
            Run,
            JsonSerializer.SerializeToUtf8Bytes(data, EventJson.Readable.RunEvent),
            EventSubject.Of(job, worker) with { Ending = recorded?.Run.Status });
    }

    private static LastRun Of(EndedRun run) => new(
        run.RunId,
        run.Status,
        DateTimeOffset.FromUnixTimeMilliseconds(run.PlanTime).UtcDateTime,
        DateTimeOffset.FromUnixTimeMilliseconds(run.StartTime).UtcDateTime,
        EndedRun.HasRun(run.Status) ? Math.Max(0, run.EndTime - run.StartTime) : null,
        run.Worker,
        run.Err,
        Ending.IsBadStatus(run.Status) ? run.LastLine : "");

    private static FeedEvent? OfWorker(string change, string id, ClusterState state) => WorkerRow.Find(state, id) is not { } row ? null
        : new FeedEvent(
            Worker,
            JsonSerializer.SerializeToUtf8Bytes(new WorkerEvent(change, row), EventJson.Readable.WorkerEvent),
            EventSubject.Of(null, id));
}
