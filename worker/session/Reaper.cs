using System.Threading.Channels;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Worker.Records;
using Etcdserverpb;
using Microsoft.Extensions.Logging;
using Mvccpb;
using Dts.Worker.Logs;

namespace Dts.Worker.Sessions;

/// <summary>
/// The chores that one worker does for all, whoever holds the lock: ends the runs of lost workers, records what others left owed, removes
/// what is over.
/// </summary>
/// <param name="left">
/// Signals that a worker has left. The reaper reads the tables then, with each new session, and periodically in case a signal was lost.
/// </param>
internal sealed class Reaper(
    EtcdClient etcd,
    Keys keys,
    string workerId,
    SessionKeeper sessions,
    FormerRuns former,
    LostRuns lost,
    Accounts accounts,
    ILogWriter store,
    ChannelReader<bool> left,
    TimeProvider time,
    ILogger log)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReapEvery = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan SettleEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan CursorOutlivesJob = TimeSpan.FromDays(1);
    private static readonly TimeSpan RecordsComeWithin = TimeSpan.FromMinutes(2);
    private const string NoRun = "the key names no run of a job";

    private readonly LeaseLock _lock = new(etcd, keys.Lock("reaper"));
    private readonly Dictionary<string, long> _recorded = [];
    private DateTimeOffset _swept = time.GetUtcNow();
    private DateTimeOffset _settled = time.GetUtcNow();
    private long _reapedAt;
    private Session? _reapedUnder; // Null = the tables are due to be read.
    private Task<bool>? _told;

    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await PauseAsync(stop);
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

                if (_reapedUnder == session && time.GetElapsedTime(_reapedAt) < ReapEvery)
                {
                    continue;
                }

                if (await _lock.TryAcquireAsync(session, workerId, stop))
                {
                    await ReapAsync(session, stop);
                    await SweepAsync(stop);
                }

                (_reapedAt, _reapedUnder) = (time.GetTimestamp(), session);
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

    /// <summary>Waits until a worker has left, but only briefly: the session may have changed, or the tables may be due.</summary>
    private async Task PauseAsync(CancellationToken stop)
    {
        _told ??= left.WaitToReadAsync(stop).AsTask();
        await Task.WhenAny(_told, Task.Delay(Pause, time, stop));
        if (_told.IsCompleted)
        {
            _told = null;
            _reapedUnder = left.TryRead(out _) ? null : _reapedUnder;
        }
    }

    private async Task ReapAsync(Session session, CancellationToken stop)
    {
        // Workers are read last: a worker whose run is in the list registered before the run. Kill requests are read first: the runs
        // that they are meant for are older.
        var killers = await ListKeysAsync(keys.Killers, stop);
        var inFlight = await etcd.ListAsync(keys.AllRuns, stop);
        var owed = await etcd.ListAsync(keys.AllOwed, stop);
        var registrations = await ListKeysAsync(keys.Workers, stop);
        var workers = registrations.Select(worker => keys.WorkerOf(worker.Key.ToStringUtf8())).ToHashSet();
        var sessionsAlive = registrations.Select(worker => new LeaseId(worker.Lease).ToString()).ToHashSet();
        foreach (var pair in inFlight)
        {
            await GuardAsync(pair, () => ReapAsync(pair, workers, sessionsAlive, session));
        }

        foreach (var pair in owed)
        {
            await GuardAsync(pair, () => RecordOwedAsync(pair, sessionsAlive));
        }

        _recorded.Keys.Except(owed.Select(pair => pair.Key.ToStringUtf8())).ToList().ForEach(key => _recorded.Remove(key));
        var places = inFlight.Select(pair => Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllRuns));
        var running = places.OfType<(JobName Name, string RunId)>().ToHashSet();
        var jobsRunning = running.Select(run => run.Name).ToHashSet();
        foreach (var pair in killers.Where(killer => killer.Lease == 0))
        {
            var isMeantForSomething = keys.TryParseKiller(pair.Key.ToStringUtf8()) is var (name, runId)
                && (runId.Length == 0 ? jobsRunning.Contains(name) : running.Contains((name, runId)));
            if (!isMeantForSomething)
            {
                await DeleteUnchangedAsync(pair); // Answered: nothing that it was meant for is in flight any more.
            }
        }
    }

    private async Task ReapAsync(KeyValue pair, HashSet<string> workers, HashSet<string> sessionsAlive, Session session)
    {
        if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllRuns) is not var (_, runId))
        {
            await RemoveAsync(pair, NoRun);
        }
        else if (!Documents.TryReadInFlight(runId, pair.Value.Span, out var run, out var why))
        {
            await RemoveAsync(pair, why);
        }
        // A worker that is back sees to its former runs itself.
        else if (!sessionsAlive.Contains(run.Session) && !workers.Contains(run.Worker))
        {
            await lost.EndAsync(pair, run, session, "its session has expired");
        }
    }

    private async Task RemoveAsync(KeyValue pair, string why)
    {
        log.DocumentRemoved(Display.Line(pair.Key.ToStringUtf8()), why);
        await DeleteUnchangedAsync(pair);
    }

    /// <summary>A key that etcd refuses must not block the others.</summary>
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
        if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllOwed) is not var (name, runId))
        {
            await RemoveAsync(pair, NoRun);
        }
        else if (!Documents.TryReadOwed(runId, pair.Value.Span, out var owed, out var why))
        {
            await RemoveAsync(pair, why);
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
    /// A cursor outlives its job, so that a job deleted and saved again within a second starts no fire twice, and with it the job's
    /// history; but not for ever. Nor does that of a worker, in mode all, which is gone.
    /// </summary>
    private async Task RemoveOldCursorsAsync(DateTimeOffset now)
    {
        // Cursors are read first: a job or worker created meanwhile only makes a cursor stay longer.
        var cursors = await etcd.ListAsync(keys.AllFired);
        var jobs = (await ListKeysAsync(keys.Jobs)).Select(job => job.Key.ToStringUtf8()[keys.Jobs.Length..]).ToHashSet();
        var workers = (await ListKeysAsync(keys.Workers)).Select(worker => keys.WorkerOf(worker.Key.ToStringUtf8())).ToHashSet();
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

    private async Task<IReadOnlyList<KeyValue>> ListKeysAsync(string prefix, CancellationToken cancel = default) =>
        (await TableLoader.LoadAsync(etcd, prefix, cancel, keysOnly: true)).Keys;

    private Task<TxnResponse> DeleteUnchangedAsync(KeyValue pair) =>
        etcd.TxnAsync(Txn.If(Txn.Unchanged(pair.Key.ToStringUtf8(), pair.ModRevision)).Then(Txn.Delete(pair.Key.ToStringUtf8())));
}
