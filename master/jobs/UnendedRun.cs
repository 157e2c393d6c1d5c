namespace Dts.Master.Jobs;

/// <summary>A run that has not ended, as lists show it: without the variables it was asked for with, which may be secret.</summary>
/// <param name="State">queued; claimed: a worker has it and its time has not come; running: its time has come.</param>
/// <param name="NotBefore">When it may start.</param>
/// <param name="ClaimedAt">Null = it waits in the queue.</param>
/// <param name="Worker">Who holds it, or the only one that may; empty = any.</param>
/// <param name="Cause">The run (job/runId) whose end led to it; empty = none, or not known.</param>
internal sealed record UnendedRun(
    string JobName,
    string RunId,
    string State,
    DateTimeOffset PlanTime,
    DateTimeOffset NotBefore,
    DateTimeOffset? ClaimedAt,
    string Worker,
    int Attempt,
    string Trigger,
    string Cause,
    bool IsKillAsked)
{
    public const string Queued = "queued";
    public const string Claimed = "claimed";
    public const string Running = "running";
    public const string Ended = "ended";

    public static UnendedRun Of(RunInSight run, DateTimeOffset now) => new(
        run.JobName,
        run.RunId,
        run.Claimed is null ? Queued : run.Run.NotBefore > now ? Claimed : Running,
        run.Run.PlanTime,
        run.Run.NotBefore,
        run.Claimed,
        run.Claimed is null ? run.Run.Worker : run.Worker,
        run.Run.Attempt,
        run.Run.Trigger,
        run.Run.Cause,
        run.IsKillAsked);
}
