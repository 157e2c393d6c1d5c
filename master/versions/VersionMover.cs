using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Master.Versions;

/// <summary>Moves versions from etcd, where the save put them, into the log store.</summary>
/// <remarks>
/// Every master does it. A version is written before its key is deleted, and writing it twice is harmless, so none is lost and masters need
/// no lock. While the store is away, versions wait: <see cref="VersionLimits.CountMax"/> of a job, <see cref="WaitingMax"/> of all, and
/// no more bytes than etcd can spare. Their values are read in pieces, which take little memory.
/// </remarks>
/// <param name="waitingBytesMax">The most bytes that wait in etcd; beyond them the oldest versions are removed.</param>
internal sealed class VersionMover(
    EtcdClient etcd, WaitingVersions waiting, IVersionStore store, TimeProvider time, ILogger log, long waitingBytesMax = 64 << 20)
{
    /// <summary>The most versions that wait in etcd; beyond it the oldest are removed.</summary>
    public const int WaitingMax = 10_000;

    private const int ReadAtOnce = 16;
    private const int DeletedAtOnce = 100; // etcd accepts 128 operations in a transaction.
    private const int FailuresMax = 3; // After so many in a row the store counts as away.
    private static readonly TimeSpan LooksEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan TriesAgainAfter = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SweepsEvery = TimeSpan.FromDays(1);

    private DateTimeOffset _swept;
    private bool _isAway;
    private Dictionary<string, int> _sizes = []; // In bytes, of the versions that wait while the store is away; a version never changes.

    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await TryMoveAsync(stop);
                await Task.Delay(_isAway ? TriesAgainAfter : LooksEvery, time, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The process ends. Another master, or the next process, moves the rest.
        }
    }

    /// <summary>One round; false = the store did not take all of it.</summary>
    public async Task<bool> TryMoveAsync(CancellationToken cancel)
    {
        try
        {
            var all = await waiting.ListKeysAsync(cancel);
            if (await TryMoveAllAsync(all, cancel) is { } failure)
            {
                await RemoveOldestAsync(cancel);
                Tell(failure, all.Count);
                return false;
            }

            _sizes = [];
            Tell(null, 0);
            return true;
        }
        catch (EtcdException)
        {
            return false; // The client has logged it.
        }
    }

    /// <summary>Moves all versions and removes expired ones. Returns the failure of the store; null = there was none.</summary>
    private async Task<LogStoreException?> TryMoveAllAsync(IReadOnlyList<KeyValue> all, CancellationToken cancel)
    {
        try
        {
            await MoveAsync(all, cancel);
            await SweepAsync(cancel);
            return null;
        }
        catch (LogStoreException failure)
        {
            return failure;
        }
    }

    /// <summary>Logs that the store is away, and that it is back, once each.</summary>
    private void Tell(LogStoreException? failure, int waits)
    {
        if (failure is null && _isAway)
        {
            log.VersionsMoved();
        }
        else if (failure is not null && !_isAway && !SqliteFile.IsNotMade(failure)) // A new host's worker is about to make the file.
        {
            log.VersionsWait(failure.Message, waits);
        }

        _isAway = failure is not null && (_isAway || !SqliteFile.IsNotMade(failure));
    }

    private async Task MoveAsync(IReadOnlyList<KeyValue> all, CancellationToken cancel)
    {
        LogStoreException? failure = null;
        var failures = 0;
        var known = all.Select(key => (waiting.JobOf(key), key.ModRevision)).ToHashSet();
        var latest = new Dictionary<string, JobVersion>();
        foreach (var keys in all.Chunk(ReadAtOnce))
        {
            List<KeyValue> moved = [];
            foreach (var (key, saved) in await waiting.ReadAsync(await waiting.LoadAsync(keys, cancel), cancel))
            {
                try
                {
                    var before = latest.GetValueOrDefault(saved.JobName) ?? await FindLatestAsync(saved.JobName, cancel);
                    var version = latest[saved.JobName] = saved.After(before);
                    if (!known.Contains((version.JobName, version.Former)) && await FindFormerAsync(version, cancel) is { } former)
                    {
                        await store.WriteAsync(former.After(before), cancel).WaitAsync(cancel);
                    }

                    await store.WriteAsync(version, cancel).WaitAsync(cancel);
                    moved.Add(key);
                    failures = 0;
                }
                catch (LogStoreException refused)
                {
                    failure = refused; // It may be this version alone.
                    if (++failures == FailuresMax)
                    {
                        break;
                    }
                }
            }

            await DeleteAsync(moved, cancel);
            if (failures == FailuresMax)
            {
                break;
            }
        }

        if (failure is not null)
        {
            throw failure;
        }
    }

    private async Task<JobVersion?> FindLatestAsync(string job, CancellationToken cancel) =>
        await store.ListAsync(JobName.Parse(job), null, 1, cancel).WaitAsync(cancel) is [var latest] ? latest : null;

    /// <summary>
    /// The version that this one replaced, if no master saved it and its definition differs from the one before: it was put with etcdctl,
    /// or by a DTS without versions. etcd has it unless it was compacted.
    /// </summary>
    private async Task<JobVersion?> FindFormerAsync(JobVersion version, CancellationToken cancel)
    {
        var name = JobName.Parse(version.JobName);
        if (version.Former == 0
            || await store.FindAsync(name, version.Former, cancel).WaitAsync(cancel) is not null
            || await waiting.FindJobAsync(name, version.Former, cancel) is not (_, { } job))
        {
            return null;
        }

        var before = await store.ListAsync(name, version.Place, 1, cancel).WaitAsync(cancel);
        return before is [{ Job: { } known }] && JobJson.ToJson(known) == JobJson.ToJson(job)
            ? null
            : JobVersion.Found(name, version.Former, version.At.AddMilliseconds(-1), job);
    }

    private async Task SweepAsync(CancellationToken cancel)
    {
        var now = time.GetUtcNow();
        if ((now - _swept).Duration() > SweepsEvery)
        {
            await store.RemoveExpiredAsync(now, cancel).WaitAsync(cancel);
            _swept = now;
        }
    }

    /// <summary>Removes the oldest keys beyond the limits, also those that DTS did not write.</summary>
    private async Task RemoveOldestAsync(CancellationToken cancel)
    {
        var all = await waiting.ListKeysAsync(cancel);
        await LearnSizesAsync(all, cancel);
        var over = all.Reverse().SkipWhile(FitsAfterNewer()).ToList();
        if (over.Count > 0)
        {
            log.VersionsDropped(over.Count, WaitingMax, waitingBytesMax);
        }

        foreach (var keys in over.Chunk(DeletedAtOnce))
        {
            await DeleteAsync(keys, cancel);
        }
    }

    /// <summary>Returns a function that is called with each key from the newest on, and says whether it is within both limits.</summary>
    private Func<KeyValue, bool> FitsAfterNewer()
    {
        var (count, bytes) = (0, 0L);
        return key => ++count <= WaitingMax && (bytes += _sizes.GetValueOrDefault(key.Key.ToStringUtf8())) <= waitingBytesMax;
    }

    private async Task LearnSizesAsync(IReadOnlyList<KeyValue> all, CancellationToken cancel)
    {
        var former = _sizes;
        _sizes = all.Select(pair => pair.Key.ToStringUtf8()).Where(former.ContainsKey).ToDictionary(key => key, key => former[key]);
        foreach (var keys in all.Where(pair => !_sizes.ContainsKey(pair.Key.ToStringUtf8())).ToList().Chunk(ReadAtOnce))
        {
            foreach (var pair in await waiting.LoadAsync(keys, cancel))
            {
                _sizes[pair.Key.ToStringUtf8()] = pair.Key.Length + pair.Value.Length;
            }
        }
    }

    /// <summary>Deletes keys that are as they were read, with one request: a delete costs etcd as much as a save.</summary>
    private async Task DeleteAsync(IReadOnlyCollection<KeyValue> pairs, CancellationToken cancel)
    {
        if (pairs.Count > 0)
        {
            await etcd.TxnAsync(Txn.All(pairs.Select(Delete)), cancel: cancel);
        }

        static RequestOp Delete(KeyValue pair)
        {
            var key = pair.Key.ToStringUtf8();
            return Txn.Nested(Txn.If(Txn.Unchanged(key, pair.ModRevision)).Then(Txn.Delete(key)));
        }
    }
}
