using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>Fires that were due by a clock that has been stepped back since. None is claimed before its time.</summary>
internal sealed class EarlyFires(FireContext context, PendingFires pending)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// The clock was stepped back: forgets fires that are far ahead now. The others are tried afresh, because their pauses, their backlogs
    /// and their being late were measured by the clock as it was. One that may be ours is tried now.
    /// </summary>
    public void TakeStepBack()
    {
        foreach (var fire in pending.All.OrderBy(fire => fire.Run.NotBefore).ToList())
        {
            fire.GaveWayAt = fire.GaveWayAt > context.Now ? context.Now : fire.GaveWayAt;
            FireRow.CutBefore(fire, context.IsTooFarAhead);
            if (!fire.IsAsked && !TryForget(fire))
            {
                TryAfresh(fire);
            }
        }
    }

    /// <summary>
    /// Takes back a fire that is not due yet, or a misfire that is no longer late, because the clock was stepped back while etcd was asked.
    /// </summary>
    /// <returns>True = it is not claimed now.</returns>
    public bool TryTake(Fire fire)
    {
        if (TryForget(fire) || TryPutOff(fire))
        {
            return true;
        }

        if (fire.IsMisfire && !IsLate(fire))
        {
            TryAfresh(fire);
            return true;
        }

        return false;
    }

    private bool IsLate(Fire fire) => context.Now - fire.PlanTime > FirePlans.LateAtMost;

    private void TryAfresh(Fire fire)
    {
        fire.IsMisfire &= IsLate(fire);
        fire.Backlog = null;
        pending.TryAt(fire, fire.Doubt == Doubt.None ? pending.FirstTryOf(fire) : context.Now);
    }

    /// <summary>Forgets a fire that is further ahead than any fire is claimed. It is planned again when its time comes.</summary>
    private bool TryForget(Fire fire)
    {
        if (fire.Doubt != Doubt.None || !context.IsTooFarAhead(fire))
        {
            return false;
        }

        FireRow.CutBefore(fire, context.IsTooFarAhead);
        pending.Forget(fire);
        return true;
    }

    /// <summary>Puts off a fire that cannot be forgotten. One that may be ours is looked at until that is known.</summary>
    private bool TryPutOff(Fire fire)
    {
        var first = pending.FirstTryOf(fire);
        var isClosed = fire is { NobodyMatches: true, IsQueued: false, Plan.Mode: JobMode.All }; // Perhaps before its time, by LeaveTo.
        if (isClosed || first <= context.Now + FireContext.StepBack)
        {
            return false;
        }

        pending.TryAt(fire, fire.Doubt == Doubt.None ? first : context.Now + LookAgain);
        return true;
    }
}
