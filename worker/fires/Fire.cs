using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Watches;

namespace Dts.Worker.Fires;

/// <summary>A run that is to be claimed: a plan time of the schedule, or one out of the queue.</summary>
/// <remarks>Not thread-safe. The claimer's loop owns it.</remarks>
internal sealed class Fire(JobName name, RunSpec run, JobPlan plan, int rank)
{
    /// <summary>A plan time of the schedule, in mode one.</summary>
    public Fire(JobName name, DateTimeOffset planTime, JobPlan plan, int rank)
        : this(name, RunSpec.Scheduled(planTime), plan, rank)
    {
    }

    public JobName Name { get; } = name;

    public RunSpec Run { get; } = run;

    public DateTimeOffset PlanTime => Run.PlanTime;

    public string RunId { get; } = run.Id;

    /// <summary>The revision of its key under queue/; 0 = it is the schedule's.</summary>
    public long QueueRevision { get; init; }

    public bool IsQueued => QueueRevision > 0;

    /// <summary>Names what waits its turn: the job for the schedule's own, of which there is one at a time; else the very run.</summary>
    public (JobName, string) Place => (Name, IsQueued ? RunId : "");

    /// <summary>The definition it was planned with; replaced when the claim says that there is a newer one.</summary>
    public JobPlan Plan { get; set; } = plan;

    /// <summary>This worker's place among those who may claim it.</summary>
    public int Rank { get; } = rank;

    /// <summary>No live worker may run it: it is here only to be recorded as missed when its time is over.</summary>
    public bool NobodyMatches { get; init; }

    /// <summary>Its time had passed, and more than a little, when it was found: the misfire policy says what becomes of it.</summary>
    public bool IsMisfire { get; init; }

    /// <summary>The workers that a queued run of a job in mode all is to be handed to; empty = this one claims it itself.</summary>
    public IReadOnlyList<string> HandTo { get; init; } = [];

    /// <summary>
    /// The earliest plan time that waits with it to be dealt with: it may have been pushed out of its place by a later one.
    /// </summary>
    public DateTimeOffset OwedSince { get; set; } = run.PlanTime;

    /// <summary>How late it may start; if nobody may run it at all, when that is recorded.</summary>
    public DateTimeOffset Deadline => (NobodyMatches && !IsQueued ? OwedSince : Run.NotBefore) + Plan.StartDeadline;

    /// <summary>
    /// What the schedule has between the cursor and this, when the cursor is further back than the plan time before this one.
    /// </summary>
    public Gap? Gap { get; set; }

    /// <summary>The endings that the request under way decides, if it closes the fire without a run.</summary>
    public OwedEnding? Closing { get; set; }

    /// <summary>A request is under way.</summary>
    public bool IsAsked { get; set; }

    /// <summary>It was left to others for want of a slot: they may have it.</summary>
    public bool HasAbstained { get; set; }

    /// <summary>Its place in the list of fires that abstained and wait for a slot; null = it does not wait for one.</summary>
    public LinkedListNode<Fire>? Abstention { get; set; }

    /// <summary>etcd refused a request with this claim and others: from now on this claim goes into a request of its own.</summary>
    public bool GoesAlone { get; set; }

    /// <summary>A claim is under way, and room is kept for it.</summary>
    public bool TakesRoom { get; set; }

    /// <summary>A claim was sent whose answer was lost: it may be ours already.</summary>
    public bool IsUncertain { get; set; }

    /// <summary>Since such a claim etcd has not answered for this fire. Until it does, no other claim of the job may be sent.</summary>
    public bool IsUnanswered { get; set; }

    /// <summary>Runs of the job were in its way when it was last tried.</summary>
    public bool IsHindered { get; set; }

    /// <summary>Why this queued run cannot be run at all; null = it can.</summary>
    public string? Unplanned { get; set; }

    /// <summary>The key of the run whose end was asked for (overlap: replace).</summary>
    public string? Replaces { get; set; }

    /// <summary>A later fire of the job, which waits until this one is settled, or its own plan time has come.</summary>
    public Fire? Next { get; set; }

    public TimerWheel<Fire>.Entry? Timer { get; set; }

    /// <summary>Whether its claim would start a run here, and not close the fire without a run or hand it on.</summary>
    public bool IsToStart(DateTimeOffset now) =>
        this is { Unplanned: null, HandTo.Count: 0, IsMisfire: false, NobodyMatches: false } && now <= Deadline;
}
