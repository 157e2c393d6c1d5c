using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>An event that may affect a fire; <see cref="FireLoop"/> reads all of them from one inbox.</summary>
internal abstract record FireEvent
{
    private FireEvent()
    {
    }

    /// <summary>Events of one batch of changes, in their order.</summary>
    public sealed record Together(IReadOnlyList<FireEvent> Events) : FireEvent;

    /// <summary>A job was put and can run, paused or not.</summary>
    /// <param name="DecidedUntil">The cursor at the start of this worker; null = the past is unknown or does not matter.</param>
    public sealed record JobPut(JobName Name, JobPlan Plan, DateTimeOffset? DecidedUntil) : FireEvent;

    /// <summary>A job was deleted, or put so that it cannot run.</summary>
    public sealed record JobGone(JobName Name, long Revision, string Why) : FireEvent;

    /// <summary>All jobs that existed when this worker started have been put.</summary>
    public sealed record JobsListed : FireEvent;

    /// <summary>A run was put into the queue.</summary>
    public sealed record RunRequested(JobName Name, RunSpec Run, long Revision) : FireEvent;

    /// <summary>A run has left the queue.</summary>
    public sealed record RunTaken(JobName Name, string RunId) : FireEvent;

    /// <summary>A plan time, or a queued run, is due to be claimed.</summary>
    public sealed record Due(Fire Fire) : FireEvent;

    public sealed record KillRequested(JobName Name, KillRequest Request, long Revision) : FireEvent;

    /// <summary>etcd was restored or wiped. Its revisions cannot be compared with those before.</summary>
    public sealed record EtcdReplaced : FireEvent;

    public sealed record WorkerJoined(string Id, IReadOnlyDictionary<string, string> Labels) : FireEvent;

    public sealed record WorkerLeft(string Id) : FireEvent;

    /// <summary>A worker was drained, so it claims nothing new, or undrained.</summary>
    public sealed record Drained(string Id, bool IsOn) : FireEvent;

    /// <summary>This worker has new labels and a new number of slots.</summary>
    public sealed record Reconfigured(IReadOnlyDictionary<string, string> Labels, int Slots) : FireEvent;

    /// <summary>Holders answer again, or have fallen silent.</summary>
    /// <param name="Users">The users whose holders are silent; null = a holder of this worker's earlier process.</param>
    public sealed record HoldersSilent(IReadOnlyCollection<string?> Users) : FireEvent;

    /// <summary>etcd has answered a request, or it failed.</summary>
    /// <param name="Answers">One for each fire of the request.</param>
    public sealed record Answered(FireRequest Request, IReadOnlyList<ClaimAnswer> Answers) : FireEvent;

    /// <summary>The request to end the run that a fire replaces did not reach etcd.</summary>
    public sealed record EndNotRequested(Fire Fire) : FireEvent;

    /// <summary>An earlier process of this worker left a running command.</summary>
    public sealed record Adopted(Run Run, DateTimeOffset StartedAt) : FireEvent;

    /// <summary>The commands of runs are ready to start, or cannot be started on this host.</summary>
    public sealed record Prepared(IReadOnlyList<Preparation> Runs) : FireEvent;

    /// <summary>A command was started, or its start failed; then its ending says why.</summary>
    public sealed record Started(Run Run, RunningCommand Command) : FireEvent;

    /// <summary>The start of a command came too late, so the command has not started and never will.</summary>
    public sealed record StartedTooLate(Run Run, string Why) : FireEvent;

    /// <summary>A command has ended and its record is on its way.</summary>
    /// <param name="Ran">For how long.</param>
    public sealed record Ended(Run Run, TimeSpan Ran) : FireEvent;

    /// <summary>etcd has the completion of a run.</summary>
    public sealed record Completed(Run Run) : FireEvent;

    /// <summary>The worker stops: no new claims. Claims under way are awaited, and claimed runs still start.</summary>
    public sealed record Stopping : FireEvent;

    /// <summary>Claimed runs that have not started by now do not start.</summary>
    public sealed record StartNothingMore(string Why) : FireEvent;

    /// <summary>Asks for the loop's figures. An answer proves that the loop runs.</summary>
    public sealed record Probe(TaskCompletionSource<FireFigures> Answer) : FireEvent;

    /// <summary>Time has passed, or the clock was stepped.</summary>
    public sealed record Tick : FireEvent;
}

/// <param name="Refusal">Why the command cannot be started on this host; null = it is ready.</param>
internal readonly record struct Preparation(Run Run, string? Refusal);

/// <param name="LagMs">How late the last command started; null = none has yet.</param>
internal readonly record struct FireFigures(int Jobs, int Running, int Slots, double? LagMs);

/// <summary>The inputs of a decision besides the event.</summary>
/// <param name="Now">The wall clock.</param>
/// <param name="Session">The lease of this worker's session; null = it has none.</param>
/// <param name="HoldsFor">How long the session is certain to hold; zero or less = it is in doubt.</param>
/// <param name="MayClaim">False = this host's clock is off, as the other workers' clocks show.</param>
internal readonly record struct Moment(DateTimeOffset Now, Dts.Common.Etcd.LeaseId? Session, TimeSpan HoldsFor, bool MayClaim)
{
    public bool SessionHolds => Session is not null && HoldsFor > TimeSpan.Zero;
}
