using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Runs;
using Etcdserverpb;

namespace Dts.Worker.Fires;

/// <summary>What a fire does that finds runs of its job going on: waits for them, or ends them.</summary>
/// <remarks>Not thread-safe. The claimer's loop is its only caller.</remarks>
internal sealed class RunsInTheWay(EtcdClient etcd, Keys keys, RunsInFlight runs, PendingFires pending)
{
    private static readonly TimeSpan ShortlyBefore = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LookForRoom = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan BetweenRanks = TimeSpan.FromMilliseconds(20);

    private readonly HashSet<Task> _asking = [];

    /// <summary>In mode all overlap is each worker's own affair.</summary>
    public bool IsHere(Fire fire) =>
        fire.Plan is { Mode: JobMode.All, Overlap: not Overlap.Allow }
            && fire.Run.Worker.Length > 0
            && runs.All.Any(run => run.Name == fire.Name);

    /// <summary>A previous run may end in time; with overlap: replace its end is asked for when the time has come.</summary>
    public void WaitFor(Fire fire, IReadOnlyList<string> inTheWay, DateTimeOffset now)
    {
        fire.IsHindered = true;
        if (now >= fire.Run.NotBefore
            && fire is { Plan.Overlap: Overlap.Replace, Run.Trigger: RunSpec.Schedule or RunSpec.Manual or RunSpec.Dependent })
        {
            EndRunsInTheWay(fire, inTheWay);
        }

        if (now < fire.Run.NotBefore - ShortlyBefore)
        {
            pending.TryAt(fire, fire.Run.NotBefore - ShortlyBefore);
        }
        else if (now < fire.Run.NotBefore)
        {
            pending.TryAt(fire, fire.Run.NotBefore + (BetweenRanks * fire.Rank));
        }
        else
        {
            pending.TryIn(fire, LookForRoom);
        }
    }

    /// <summary>
    /// Asks for the end of the runs that this one replaces: here, in mode all, else by etcd, each once and only if it is still going.
    /// </summary>
    private void EndRunsInTheWay(Fire fire, IReadOnlyList<string> inTheWay)
    {
        var reason = $"replaced by the run for {Cursor.Text(fire.PlanTime)}";
        if (IsHere(fire))
        {
            foreach (var run in runs.All.Where(run => run.Name == fire.Name))
            {
                run.Command?.Kill(reason);
            }
        }
        else if (inTheWay is [var key, ..] && fire.Replaces != key && Keys.TryParseRun(key, keys.AllRuns) is var (name, runId))
        {
            foreach (var asked in _asking.Where(asked => asked.IsCompleted).ToList())
            {
                _asking.Remove(asked);
                asked.GetAwaiter().GetResult(); // A bug in one ends the worker.
            }

            fire.Replaces = key;
            _asking.Add(AskForEndAsync(fire, Txn.If(Txn.Exists(key)).Then(Txn.Put(keys.Killer(name, runId), reason))));
        }
    }

    private async Task AskForEndAsync(Fire fire, TxnRequest ask)
    {
        try
        {
            await etcd.TxnAsync(ask);
        }
        catch (EtcdException)
        {
            fire.Replaces = null; // Asked for again at the next try.
        }
    }
}
