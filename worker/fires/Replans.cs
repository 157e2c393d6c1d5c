using Dts.Common.Jobs;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>Decides what becomes of a fire whose job was saved since the fire was planned.</summary>
internal sealed class Replans(FireContext context, PendingFires pending, ClaimQueue queue)
{
    // By then the save has been heard of, and the plans have made another fire.
    private static readonly TimeSpan HeardWithin = TimeSpan.FromSeconds(1);

    private readonly JobReader _jobs = new();

    /// <summary>
    /// If the job still fires at this time, or its run was requested, the claim uses the new definition. If other workers run it now, its
    /// plans make a new fire.
    /// </summary>
    /// <param name="pair">The job's key, as etcd has it.</param>
    public void Replan(Fire fire, KeyValue pair)
    {
        var plan = _jobs.TryParse(pair.Value.Memory, out var job, out var why, out _)
            ? JobPlan.TryOf(job, pair.ModRevision, context.DefaultZone, out why)
            : null;
        if (fire.IsQueued)
        {
            ReplanQueued(fire, plan, pair.ModRevision, why);
        }
        else if (plan is { IsPaused: false } && plan.Schedule.Has(fire.PlanTime) && !fire.Plan.HasMovedTo(plan))
        {
            fire.Plan = plan;
            fire.Backlog = null;
            queue.Claim(fire);
        }
        else
        {
            pending.Forget(fire);
        }
    }

    private void ReplanQueued(Fire fire, JobPlan? plan, long revision, string why)
    {
        if (plan is null)
        {
            fire.Plan = fire.Plan with { Revision = revision };
            fire.Unplanned = $"its job cannot run: {why}";
            queue.Claim(fire);
        }
        else if ((plan.Mode, plan.Target) != (fire.Plan.Mode, fire.Plan.Target))
        {
            pending.TryIn(fire, HeardWithin);
        }
        else
        {
            fire.Plan = plan;
            fire.Unplanned = plan.IsPaused && fire.Run.Trigger != RunSpec.Manual ? "its job is paused" : null;
            queue.Claim(fire);
        }
    }
}
