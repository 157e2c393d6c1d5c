using Dts.Common;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>The chores that one worker does for all, whoever holds the lock: ends the runs of lost workers, removes old cursors and expired records.</summary>
internal sealed class Reaper(
    EtcdClient etcd, Keys keys, string workerId, SessionKeeper sessions, FormerRuns former, LostRuns lost, ILogStore store, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan SettleEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan CursorOutlivesJob = TimeSpan.FromDays(1);

    private readonly LeaseLock _lock = new(etcd, keys.Lock("reaper"));
    private DateTimeOffset _swept = time.GetUtcNow();
    private DateTimeOffset _settled = time.GetUtcNow();

    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await Task.Delay(Pause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                if (sessions.Current is not { Holds: true } session)
                {
                    continue;
                }

                if (time.GetUtcNow() - _settled > SettleEvery)
                {
                    _settled = time.GetUtcNow();
                    await former.SettleAsync(session);
                }

                if (await _lock.TryAcquireAsync(session, workerId, stop))
                {
                    await ReapAsync();
                    await SweepAsync(stop);
                }
            }
            catch (EtcdException)
            {
                // The client has logged it; the next round tries again.
            }
            catch (LogStoreException failure)
            {
                log.SweepFailed(failure.Message);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Told to end.
            }
        }
    }

    private async Task ReapAsync()
    {
        var state = await etcd.TxnAsync(Txn.All([Txn.List(keys.AllRuns), Txn.List(keys.Workers, keysOnly: true)]), repeatable: true);
        var sessionsAlive = state.Responses[1].ResponseRange.Kvs.Select(worker => new LeaseId(worker.Lease).ToString()).ToHashSet();
        foreach (var pair in state.Responses[0].ResponseRange.Kvs)
        {
            var key = pair.Key.ToStringUtf8();
            if (LostRuns.Parse(pair) is not { } run || keys.TryParseRun(key) is null)
            {
                log.AlienRun(Display.Line(key));
                await etcd.TxnAsync(Txn.If(Txn.Unchanged(key, pair.ModRevision)).Then(Txn.Delete(key)));
            }
            else if (!sessionsAlive.Contains(run.Session))
            {
                await lost.EndAsync(pair, run, "its session has expired");
            }
        }
    }

    private async Task SweepAsync(CancellationToken stop)
    {
        var now = time.GetUtcNow();
        if (now - _swept < SweepEvery)
        {
            return;
        }

        _swept = now;
        await RemoveOldCursorsAsync(now);
        while (await store.RemoveExpiredAsync(now, stop) > 0)
        {
            // A thousand at a time, so that writers get their turn.
        }
    }

    /// <summary>A cursor outlives its job, so that a job deleted and saved again within a second starts no fire twice; but not for ever.</summary>
    private async Task RemoveOldCursorsAsync(DateTimeOffset now)
    {
        var state = await etcd.TxnAsync(Txn.All([Txn.List(keys.AllFired), Txn.List(keys.Jobs, keysOnly: true)]), repeatable: true);
        var jobs = state.Responses[1].ResponseRange.Kvs.Select(job => job.Key.ToStringUtf8()[keys.Jobs.Length..]).ToHashSet();
        foreach (var pair in state.Responses[0].ResponseRange.Kvs)
        {
            var key = pair.Key.ToStringUtf8();
            var name = key[keys.AllFired.Length..];
            if (!jobs.Contains(name) && Cursor.TryParse(pair.Value.ToStringUtf8(), out var cursor) && now - cursor.PlanTime > CursorOutlivesJob)
            {
                await etcd.TxnAsync(Txn.If(Txn.Unchanged(key, pair.ModRevision), Txn.Missing(keys.Jobs + name)).Then(Txn.Delete(key)));
            }
        }
    }
}
