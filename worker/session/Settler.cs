using System.Diagnostics;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Etcdserverpb;
using Microsoft.Extensions.Logging;
using Mvccpb;

namespace Dts.Worker.Sessions;

/// <summary>Reads etcd's tables for <see cref="Settlement"/> and performs what it decides.</summary>
internal sealed class Settler(
    EtcdClient etcd, Keys keys, string workerId, OwnRuns runs, OwedEndings endings, ClockCheck clocks, ILogger log) : IDisposable
{
    private const int AtOnce = 16; // Thousands of runs must be settled before their session's first keep-alive is due.

    private readonly Settlement _settlement = new(keys, workerId);
    private readonly SemaphoreSlim _turn = new(1);

    private DateTimeOffset Now => clocks.Now; // Workers that are gone wrote some of the times it is compared with.

    /// <summary>Settles this worker's runs, one call at a time. Does not throw because of etcd: the reaper repeats it.</summary>
    public async Task SettleOwnAsync(Session session)
    {
        await _turn.WaitAsync(); // Otherwise a late settlement for an old session could undo the moves to the new one.
        try
        {
            var heldBefore = runs.All.ToList();
            var inEtcd = await etcd.ListAsync(keys.AllRuns);
            await PerformAsync(
                _settlement.SettleOwn(new Settlement.OwnRunsRead(inEtcd, heldBefore, runs.All.ToList()), session.Lease, Now), session);
        }
        catch (EtcdException)
        {
            // The client has logged it.
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Settles the keys of workers that are gone. The reaper calls it, under the cluster's lock.</summary>
    public async Task SettleClusterAsync(Session session, CancellationToken stop)
    {
        var read = new Settlement.ClusterTables(
            KillRequests: await ListKeysAsync(keys.Killers, stop),
            Runs: await etcd.ListAsync(keys.AllRuns, stop),
            Owed: await etcd.ListAsync(keys.AllOwed, stop),
            Workers: await ListKeysAsync(keys.Workers, stop));
        await PerformAsync(_settlement.SettleCluster(read, Now), session);
    }

    /// <summary>Part by part: a cluster has as many cursors as jobs.</summary>
    public async Task RemoveOldCursorsAsync(Session session, CancellationToken stop)
    {
        await foreach (var part in TableLoader.ReadAsync(etcd, TableLoader.Under(keys.AllFired), stop))
        {
            if (Settlement.FindOutlived(part.Keys, Now) is { Count: > 0 } cursors)
            {
                var read = new Settlement.CursorTables(
                    Cursors: cursors,
                    Jobs: await ListKeysAsync(_settlement.JobsOf(cursors), stop),
                    Workers: await ListKeysAsync(keys.Workers, stop));
                await PerformAsync(_settlement.FindOldCursors(read, Now), session);
            }
        }
    }

    public void Dispose() => _turn.Dispose();

    private async Task PerformAsync(IEnumerable<SettleAction> actions, Session session)
    {
        foreach (var some in actions.Chunk(AtOnce).TakeWhile(_ => !session.IsLost))
        {
            await Task.WhenAll(some.Select(action => TryPerformAsync(action, session)));
        }
    }

    /// <summary>A key that etcd refuses must not block the others.</summary>
    private async Task TryPerformAsync(SettleAction action, Session session)
    {
        try
        {
            await PerformAsync(action, session);
        }
        catch (EtcdException failure) when (failure.Error == EtcdError.Refused)
        {
            log.ChoreRefused(Display.Line(action.Key), failure.Message);
        }
    }

    private async Task PerformAsync(SettleAction action, Session session)
    {
        switch (action)
        {
            case SettleAction.MoveToSession moved:
                await MoveToSessionAsync(moved, session);
                break;
            case SettleAction.EndLost lost:
                await EndLostAsync(lost, session);
                break;
            case SettleAction.GoOn(_, var run):
                NoteLost(run, "it goes on, and its true ending will be recorded");
                break;
            case SettleAction.KillHere(_, var run):
                NoteLost(run, "it runs again elsewhere, and is killed here");
                run.Command?.Kill(Run.RunElsewhere);
                break;
            case SettleAction.RecordOwed owed:
                _settlement.Recording(owed, Now);
                endings.TryRecord(owed.Name, await etcd.FindAsync(keys.Job(owed.Name)), owed.Owed);
                break;
            case SettleAction.RemoveUnreadable(var pair, var why):
                log.DocumentRemoved(Display.Line(action.Key), why);
                await etcd.TxnAsync(SettleTxn.Remove(pair));
                break;
            case SettleAction.RemoveKillRequest(var pair):
                await etcd.TxnAsync(SettleTxn.Remove(pair));
                break;
            case SettleAction.RemoveCursor old:
                await etcd.TxnAsync(SettleTxn.RemoveCursor(old));
                break;
            default:
                throw new UnreachableException();
        }
    }

    private async Task MoveToSessionAsync(SettleAction.MoveToSession moved, Session session)
    {
        var answer = await etcd.TxnAsync(SettleTxn.MoveToSession(moved, session.Lease));
        if (answer.Succeeded)
        {
            moved.Run.MoveToSession(session.Lease, answer.Header.Revision);
            log.RunMoved(moved.Run.Name, moved.Run.Id);
        }
    }

    private async Task EndLostAsync(SettleAction.EndLost lost, Session session)
    {
        var ending = SettleTxn.EndLost(keys, lost, await AskAboutAsync(lost), session.Lease, clocks.Now);
        if ((await etcd.TxnAsync(ending.Request)).Succeeded)
        {
            log.RunLost(lost.Name, lost.Claim.Run.Id, lost.Claim.Worker, lost.Why);
            endings.TryRecord(lost.Name, ending.Definition, ending.Owed);
        }
    }

    /// <summary>Reads the job as it was when the run was claimed; if etcd has compacted that revision, as it is now.</summary>
    private async Task<TxnResponse> AskAboutAsync(SettleAction.EndLost lost)
    {
        try
        {
            return await etcd.TxnAsync(SettleTxn.AskAbout(keys, lost, lost.Pair.CreateRevision), repeatable: true);
        }
        catch (EtcdException compacted) when (compacted.Error == EtcdError.Compacted)
        {
            return await etcd.TxnAsync(SettleTxn.AskAbout(keys, lost, jobRevision: 0), repeatable: true);
        }
    }

    private void NoteLost(Run run, string then)
    {
        run.LostAtMs = Now.ToUnixTimeMilliseconds();
        log.RunHadBeenLost(run.Name, run.Id, then);
    }

    private Task<IReadOnlyList<KeyValue>> ListKeysAsync(string prefix, CancellationToken stop) =>
        ListKeysAsync(TableLoader.Under(prefix), stop);

    private async Task<IReadOnlyList<KeyValue>> ListKeysAsync(RangeRequest range, CancellationToken stop)
    {
        range.KeysOnly = true;
        List<KeyValue> found = [];
        await foreach (var part in TableLoader.ReadAsync(etcd, range, stop))
        {
            found.AddRange(part.Keys);
        }

        return found;
    }
}
