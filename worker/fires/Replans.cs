using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>Decides what becomes of a fire whose job was saved since the fire was planned.</summary>
/// <param name="revisionOf">The revision of a job up to which this worker has heard of it.</param>
internal sealed class Replans(FireContext context, PendingFires pending, ClaimQueue queue, Func<JobName, long> revisionOf)
{
    private static readonly TimeSpan HeardSoon = TimeSpan.FromSeconds(1);

    private readonly JobReader _jobs = new();

    /// <summary>
    /// If the job still fires at this time, or its run was requested, the claim uses the new definition. If other workers run it now, its
    /// plans make a new fire when they hear of the save.
    /// </summary>
    /// <param name="pair">The job's key, as etcd has it.</param>
    public void Replan(Fire fire, KeyValue pair)
    {
        var plan = TryRead(fire.Name, pair, out var why);
        if (fire.IsQueued)
        {
            ReplanQueued(fire, plan, pair.ModRevision, why);
        }
        else if (plan is not { IsPaused: false } || !plan.Schedule.Has(fire.PlanTime))
        {
            pending.Forget(fire);
        }
        else if (!fire.Plan.HasMovedTo(plan))
        {
            fire.Plan = plan;
            fire.Backlog = null;
            if (fire.IsMisfire)
            {
                queue.Look(fire); // It is decided as part of its backlog, so the cursor is read before the claim.
            }
            else
            {
                queue.Claim(fire);
            }
        }
        else if (revisionOf(fire.Name) >= pair.ModRevision)
        {
            pending.Forget(fire); // The new fire has been made.
        }
        else
        {
            WaitForNew(fire);
        }
    }

    private JobPlan? TryRead(JobName name, KeyValue pair, out string why)
    {
        if (_jobs.TryParse(pair.Value.Memory, out var job, out why, out _) && job.Name != name.Value)
        {
            why = $"its name is \"{Display.Line(job.Name)}\"";
            return null;
        }

        return job is null ? null : JobPlan.TryOf(job, pair.ModRevision, context.DefaultZone, out why);
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
            WaitForNew(fire);
        }
        else
        {
            fire.Plan = plan;
            fire.Unplanned = plan.IsPaused && fire.Run.Trigger != RunSpec.Manual ? "its job is paused" : null;
            queue.Claim(fire);
        }
    }

    /// <summary>
    /// Leaves a fire until the plans replace it. Nothing about it is in doubt any more: it is open, and no claim under the former revision
    /// can be granted.
    /// </summary>
    private void WaitForNew(Fire fire)
    {
        fire.Doubt = Doubt.None;
        pending.TryIn(fire, HeardSoon);
    }
}
