using Dts.Common.Etcd;
using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>Makes a fire wait for its job's runs, or ends those runs.</summary>
internal sealed class RunsInTheWay(FireContext context, PendingFires pending, Kills kills, FiresInFlight inFlight)
{
    private static readonly TimeSpan ShortlyBefore = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan TryAgain = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan BetweenRanks = TimeSpan.FromMilliseconds(20);

    /// <summary>Whether runs of the job on this worker block the fire: in mode all each worker prevents overlap itself.</summary>
    public bool AreHere(Fire fire) =>
        fire.Plan is { Mode: JobMode.All, Overlap: not Overlap.Allow } && fire.Run.Worker.Length > 0 && inFlight.OfJob(fire.Name).Any();

    /// <summary>A previous run may end in time. With overlap: replace its end is requested when the time has come.</summary>
    /// <param name="inTheWay">The keys of the runs, as far as they are known.</param>
    public void WaitFor(Fire fire, IReadOnlyList<string> inTheWay)
    {
        var now = context.Now;
        var due = fire.Run.IsForLater || fire.Run.NotBefore < now ? fire.Run.NotBefore : now;
        fire.Met |= Hindrances.RunInTheWay;
        if (now >= due
            && fire is { Plan.Overlap: Overlap.Replace, Run.Trigger: RunSpec.Schedule or RunSpec.Manual or RunSpec.Dependent })
        {
            EndRunsInTheWay(fire, inTheWay);
        }

        if (now < due - ShortlyBefore)
        {
            pending.TryAt(fire, due - ShortlyBefore);
        }
        else if (now < due)
        {
            pending.TryAt(fire, due + (BetweenRanks * fire.Rank));
        }
        else
        {
            pending.TryIn(fire, TryAgain);
        }
    }

    /// <summary>
    /// Requests the end of the runs that this fire replaces: here in mode all, else through etcd, once for each run that still goes on.
    /// </summary>
    private void EndRunsInTheWay(Fire fire, IReadOnlyList<string> inTheWay)
    {
        var reason = $"replaced by the run for {Cursor.Text(fire.PlanTime)}";
        if (AreHere(fire))
        {
            kills.Replace(fire.Name, reason);
        }
        else if (inTheWay is [var key, ..] && fire.Replaces != key && Keys.TryParseRun(key, context.Keys.AllRuns) is var (name, runId))
        {
            fire.Replaces = key;
            context.Do(new FireAction.RequestEnd(fire, Txn.If(Txn.Exists(key)).Then(Txn.Put(context.Keys.Killer(name, runId), reason))));
        }
    }
}
