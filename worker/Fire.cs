using Dts.Common.Jobs;
using Dts.Common.Time;

namespace Dts.Worker;

/// <summary>A plan time of a job that is to be claimed.</summary>
/// <remarks>Not thread-safe. The claimer's loop owns it.</remarks>
internal sealed class Fire(JobName name, DateTimeOffset planTime, JobPlan plan, int rank)
{
    public JobName Name { get; } = name;

    public DateTimeOffset PlanTime { get; } = planTime;

    public string RunId { get; } = Common.Jobs.RunId.Of(planTime);

    /// <summary>The definition it was planned with; replaced when the claim says that there is a newer one.</summary>
    public JobPlan Plan { get; set; } = plan;

    /// <summary>This worker's place among those who may claim it.</summary>
    public int Rank { get; } = rank;

    public DateTimeOffset Deadline => PlanTime + Plan.StartDeadline;

    /// <summary>A request is under way.</summary>
    public bool IsAsked { get; set; }

    /// <summary>It was left to others for want of a slot: they may have it.</summary>
    public bool HasAbstained { get; set; }

    /// <summary>A claim is under way, and room is kept for it.</summary>
    public bool TakesRoom { get; set; }

    /// <summary>A claim was sent whose answer was lost: it may be ours already.</summary>
    public bool IsUncertain { get; set; }

    /// <summary>A later fire of the job, which waits until this one is settled, or its own plan time has come.</summary>
    public Fire? Next { get; set; }

    public TimerWheel<Fire>.Entry? Timer { get; set; }
}
