using System.Text.Json;
using Dts.Common;
using Dts.Common.Etcd;
using Dts.Common.Etcd.Wire;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Google.Protobuf.Collections;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>The chores that one worker does for all, whoever holds the lock: ends the runs of lost workers, records what others left owed, removes what is over.</summary>
internal sealed class Reaper(
    EtcdClient etcd, Keys keys, string workerId, SessionKeeper sessions, FormerRuns former, LostRuns lost, Accounts accounts, ILogStore store, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan SettleEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan CursorOutlivesJob = TimeSpan.FromDays(1);
    private static readonly TimeSpan RecordsComeWithin = TimeSpan.FromMinutes(2);

    private readonly LeaseLock _lock = new(etcd, keys.Lock("reaper"));
    private readonly Dictionary<string, long> _recorded = [];
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

                if ((time.GetUtcNow() - _settled).Duration() > SettleEvery)
                {
                    _settled = time.GetUtcNow();
                    await former.SettleAsync(session);
                }

                if (await _lock.TryAcquireAsync(session, workerId, stop))
                {
                    await ReapAsync(session);
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

    private async Task ReapAsync(Session session)
    {
        var state = await etcd.TxnAsync(
            Txn.All([Txn.List(keys.AllRuns), Txn.List(keys.Workers, keysOnly: true), Txn.List(keys.AllOwed), Txn.List(keys.Killers)]), repeatable: true);
        var workers = ListOf(state, 1).Select(worker => keys.WorkerOf(worker.Key.ToStringUtf8())).ToHashSet();
        var sessionsAlive = ListOf(state, 1).Select(worker => new LeaseId(worker.Lease).ToString()).ToHashSet();
        foreach (var pair in ListOf(state, 0))
        {
            await GuardAsync(pair, () => ReapAsync(pair, workers, sessionsAlive, session));
        }

        var owed = ListOf(state, 2);
        foreach (var pair in owed)
        {
            await GuardAsync(pair, () => RecordOwedAsync(pair, sessionsAlive));
        }

        _recorded.Keys.Except(owed.Select(pair => pair.Key.ToStringUtf8())).ToList().ForEach(key => _recorded.Remove(key));
        var running = ListOf(state, 0).Select(pair => Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllRuns)).OfType<(JobName Name, string RunId)>().ToList();
        foreach (var pair in ListOf(state, 3).Where(killer => killer.Lease == 0))
        {
            var isMeantForSomething = keys.TryParseKiller(pair.Key.ToStringUtf8()) is var (name, runId)
                && running.Any(run => run.Name == name && (runId.Length == 0 || run.RunId == runId));
            if (!isMeantForSomething)
            {
                await DeleteUnchangedAsync(pair); // Answered: nothing that it was meant for is in flight any more.
            }
        }
    }

    private async Task ReapAsync(KeyValue pair, HashSet<string> workers, HashSet<string> sessionsAlive, Session session)
    {
        var key = pair.Key.ToStringUtf8();
        if (LostRuns.Parse(pair) is not { } run || Keys.TryParseRun(key, keys.AllRuns) is null)
        {
            log.AlienRun(Display.Line(key));
            await DeleteUnchangedAsync(pair);
        }
        else if (!sessionsAlive.Contains(run.Session) && !workers.Contains(run.Worker)) // A worker that is back sees to its former runs itself.
        {
            await lost.EndAsync(pair, run, session, "its session has expired");
        }
    }

    /// <summary>One key that etcd does not let us deal with keeps back no other.</summary>
    private async Task GuardAsync(KeyValue pair, Func<Task> chore)
    {
        try
        {
            await chore();
        }
        catch (EtcdException failure) when (failure.Error == EtcdError.Refused)
        {
            log.ChoreRefused(Display.Line(pair.Key.ToStringUtf8()), failure.Message);
        }
    }

    /// <summary>Records what its decider did not: it is gone, or the answer to its decision was lost, and it does not know.</summary>
    private async Task RecordOwedAsync(KeyValue pair, HashSet<string> sessionsAlive)
    {
        if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllOwed) is not var (name, _) || TryParseOwed(pair) is not { } owed)
        {
            log.AlienRun(Display.Line(pair.Key.ToStringUtf8()));
            await DeleteUnchangedAsync(pair);
        }
        else if (!sessionsAlive.Contains(owed.Session) || time.GetUtcNow() - owed.Decided > RecordsComeWithin)
        {
            // Once, and again only if it is still there much later: our own may have to wait for room on our disk.
            var key = pair.Key.ToStringUtf8();
            if (!_recorded.TryGetValue(key, out var recorded) || time.GetElapsedTime(recorded) > RecordsComeWithin)
            {
                _recorded[key] = time.GetTimestamp();
                accounts.TryRecord(name, await etcd.FindAsync(keys.Job(name)), owed);
            }
        }
    }

    private static OwedEnding? TryParseOwed(KeyValue pair)
    {
        try
        {
            return JsonSerializer.Deserialize(pair.Value.Span, DtsJson.Readable.OwedEnding);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private async Task SweepAsync(CancellationToken stop)
    {
        var now = time.GetUtcNow();
        if ((now - _swept).Duration() < SweepEvery)
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

    /// <summary>
    /// A cursor outlives its job, so that a job deleted and saved again within a second starts no fire twice, and with it the job's history; but not
    /// for ever. Nor does that of a worker, in mode all, which is gone.
    /// </summary>
    private async Task RemoveOldCursorsAsync(DateTimeOffset now)
    {
        var cursors = await etcd.ListAsync(keys.AllFired); // First: what comes after it is only kept the longer.
        var jobs = (await etcd.ListKeysAsync(keys.Jobs)).Select(job => job.Key.ToStringUtf8()[keys.Jobs.Length..]).ToHashSet();
        var workers = (await etcd.ListKeysAsync(keys.Workers)).Select(worker => keys.WorkerOf(worker.Key.ToStringUtf8())).ToHashSet();
        foreach (var pair in cursors)
        {
            var place = pair.Key.ToStringUtf8()[keys.AllFired.Length..].Split('/', 2);
            var isOver = !jobs.Contains(place[0]) || (place.Length > 1 && !workers.Contains(place[1]));
            if (isOver && Cursor.TryParse(pair.Value.ToStringUtf8(), out var cursor) && now - cursor.PlanTime > CursorOutlivesJob)
            {
                var remove = Txn.If(Txn.Unchanged(pair.Key.ToStringUtf8(), pair.ModRevision)).Then(Txn.Delete(pair.Key.ToStringUtf8()));
                await etcd.TxnAsync(jobs.Contains(place[0]) ? remove : remove.Then(Txn.Delete(keys.AllHistory + place[0])));
            }
        }
    }

    private Task<TxnResponse> DeleteUnchangedAsync(KeyValue pair) =>
        etcd.TxnAsync(Txn.If(Txn.Unchanged(pair.Key.ToStringUtf8(), pair.ModRevision)).Then(Txn.Delete(pair.Key.ToStringUtf8())));

    private static RepeatedField<KeyValue> ListOf(TxnResponse state, int index) => state.Responses[index].ResponseRange.Kvs;
}
