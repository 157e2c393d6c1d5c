using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>One run to be claimed: a plan time of the schedule, or a run out of the queue.</summary>
/// <remarks>Not thread-safe. <see cref="Fires"/> owns it.</remarks>
internal sealed class Fire(JobName name, RunSpec run, JobPlan plan, int rank) : ITimed
{
    /// <summary>A plan time of the schedule, in mode one.</summary>
    public Fire(JobName name, DateTimeOffset planTime, JobPlan plan, int rank)
        : this(name, RunSpec.Scheduled(planTime), plan, rank)
    {
    }

    public JobName Name { get; } = name;

    public RunSpec Run { get; } = run;

    public DateTimeOffset PlanTime => Run.PlanTime;

    /// <summary>A job's schedule has one place. A queued run has its own, and so has a fire that has given way.</summary>
    public (JobName, string) Place => (Name, IsQueued || GaveWayAt is not null ? RunId : "");

    public string RunId { get; } = run.Id;

    /// <summary>The revision of its key under queue/; 0 = the schedule planned it.</summary>
    public long QueueRevision { get; init; }

    public bool IsQueued => QueueRevision > 0;

    /// <summary>This worker's place among those that may claim it.</summary>
    public int Rank { get; } = rank;

    /// <summary>No live worker may run it. It is here only so that it is recorded as missed after its deadline.</summary>
    public bool NobodyMatches { get; init; }

    /// <summary>It was found long after its time, so the misfire policy decides it.</summary>
    public bool IsMisfire { get; set; }

    /// <summary>The workers that a queued run of a job in mode all is handed to; empty = this worker claims it.</summary>
    public IReadOnlyList<string> HandTo { get; init; } = [];

    /// <summary>The earliest plan time that this fire accounts for: a later fire may have pushed an earlier one out of its place.</summary>
    public DateTimeOffset OwedSince { get; set; } = run.PlanTime;

    /// <summary>What hindered the earlier fires that it accounts for.</summary>
    public Hindrances OwedMet { get; set; }

    /// <summary>The latest time to start it. If no worker matches, it is recorded as missed then.</summary>
    public DateTimeOffset Deadline => (NobodyMatches && !IsQueued ? OwedSince : Run.NotBefore) + Plan.StartDeadline;

    public FireState State { get; set; } = new FireState.New();

    /// <summary>The definition it was planned with, or the newer one that a claim has found.</summary>
    public JobPlan Plan { get; set; } = plan;

    /// <summary>The plan times between the cursor and this fire that nobody claimed; null = none are known.</summary>
    public Backlog? Backlog { get; set; }

    /// <summary>Why this queued run cannot run at all; null = it can.</summary>
    public string? Unplanned { get; set; }

    /// <summary>The later fire of the job's schedule that waits behind it.</summary>
    public Fire? Next { get; set; }

    public Doubt Doubt { get; set; }

    /// <summary>When the next fire took its place although a claim of this one may still take effect; null = it did not.</summary>
    public DateTimeOffset? GaveWayAt { get; set; }

    /// <summary>The fencing token of the latest run of its job that was claimed since its own claim's answer was lost; 0 = none.</summary>
    public long OvertakenBy { get; set; }

    /// <summary>The hindrances that attempts to claim it have met.</summary>
    public Hindrances Met { get; set; }

    /// <summary>The key of the run whose end was requested (overlap: replace).</summary>
    public string? Replaces { get; set; }

    public bool IsAsked => State is FireState.Asking;

    /// <summary>Whether its claim would start a run here, and not close the fire or hand it on.</summary>
    public bool IsToStart(DateTimeOffset now) =>
        this is { Unplanned: null, HandTo.Count: 0, IsMisfire: false, NobodyMatches: false } && now <= Deadline;
}

[Flags]
internal enum Hindrances
{
    None = 0,

    /// <summary>This worker had no slot and left it to others, which may have it now.</summary>
    NoSlot = 1,

    /// <summary>Runs of its job were in its way when it was last tried.</summary>
    RunInTheWay = 2,

    /// <summary>etcd refused a request with this claim and others. From now on it goes into a request of its own.</summary>
    Refused = 4,
}
