using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Dts.Common.Hosting;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Common.Etcd;

/// <summary>Follows all keys under a prefix: delivers those that exist, then each change, until cancelled.</summary>
/// <remarks>
/// <para>Constraints: a watch ends with its connection, with its member's leader, and when it asks for compacted history; etcd 3.4
/// and 3.5 can drop events around a compaction (etcd issues 18089, 19179).</para>
/// <para>Scheme: after a cut the watch resumes at the last revision + 1. After a compaction, and every <see cref="RelistEvery"/> even when
/// all looks well, it lists the table again and delivers the difference. When it resumes, it also finds an etcd that was restored or wiped:
/// the cluster has another id, has not reached the last revision, or has a key at a lower revision than delivered. Then it delivers a
/// deletion of every former key and a put of every present one. Callers see changes only.</para>
/// </remarks>
/// <param name="inParts">
/// A large table arrives in parts at first, so that it need not fit into memory. The last part is <see cref="ChangeBatch.Listed"/>.
/// </param>
internal sealed class Watch(EtcdClient etcd, string prefix, bool inParts = false)
{
    /// <summary>How often the table is listed again although the watch looks healthy.</summary>
    public static readonly TimeSpan RelistEvery = TimeSpan.FromMinutes(10);

    private const long Never = -1;

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly WatchedTable _table = new(etcd, prefix);
    private long _revision;
    private ulong _cluster; // 0 = not known yet.
    private bool _isOtherData;
    private bool _isRefused;
    private long _cutAt = Never; // In the clock's own units.

    /// <summary>How long the watch has been cut off from etcd; zero = it follows.</summary>
    public TimeSpan CutOff => Interlocked.Read(ref _cutAt) is >= 0 and var at ? etcd.Time.GetElapsedTime(at) : TimeSpan.Zero;

    public async IAsyncEnumerable<ChangeBatch> ReadAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var batches = Channel.CreateBounded<ChangeBatch>(4); // full: the watch waits, and etcd keeps its events
        var pump = PumpAsync(batches.Writer, ended.Token);
        try
        {
            await foreach (var batch in batches.Reader.ReadAllAsync(CancellationToken.None))
            {
                yield return batch;
            }
        }
        finally
        {
            await ended.CancelAsync();
            await pump;
        }
    }

    private async Task PumpAsync(ChannelWriter<ChangeBatch> batches, CancellationToken cancel)
    {
        try
        {
            await FollowForEverAsync(batches, cancel);
            batches.Complete();
        }
        catch (Exception bug)
        {
            batches.Complete(bug); // Its reader rethrows it.
        }
    }

    private async Task FollowForEverAsync(ChannelWriter<ChangeBatch> batches, CancellationToken cancel)
    {
        var listed = false;
        for (var failures = 0; !cancel.IsCancellationRequested;)
        {
            try
            {
                await (_table.Count == 0 ? ListAllAsync(batches, !listed, cancel) : ListDifferenceAsync(batches, !listed, cancel));
                listed = true;
                failures = 0;
                await FollowAsync(batches, cancel);
            }
            catch (EtcdException failure)
            {
                await PauseAsync(failure, ++failures, cancel);
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
                // The caller has ended it.
            }
        }
    }

    private async Task ListDifferenceAsync(ChannelWriter<ChangeBatch> batches, bool first, CancellationToken cancel)
    {
        var former = _table.Count;
        var (changes, revision, count, isOtherData) = await _table.CompareAsync(_revision, _isOtherData, cancel);
        (_revision, _isOtherData) = (revision, false);
        LogListing(first, isOtherData, former, (int)count, changes.Count);
        if (first || isOtherData || changes.Count > 0)
        {
            await batches.WriteAsync(new ChangeBatch(changes, Listed: true, IsLive: false, isOtherData), cancel);
        }
    }

    /// <summary>Lists a table for the first time.</summary>
    private async Task ListAllAsync(ChannelWriter<ChangeBatch> batches, bool first, CancellationToken cancel)
    {
        List<KeyValue> read = [];
        await foreach (var part in TableLoader.ReadAsync(etcd, TableLoader.Under(prefix), cancel))
        {
            read.AddRange(part.Keys);
            var isOtherData = _isOtherData || part.Revision < _revision;
            if (part.IsLast)
            {
                (_revision, _isOtherData) = (part.Revision, false);
                LogListing(first, isOtherData, 0, (int)part.Count, (int)part.Count);
            }

            if (part.IsLast ? first || isOtherData || read.Count > 0 : inParts)
            {
                var puts = read.Select(_table.Put).ToList();
                read.Clear();
                await batches.WriteAsync(new ChangeBatch(puts, Listed: part.IsLast, IsLive: false, isOtherData), cancel);
            }
        }
    }

    private void LogListing(bool first, bool isOtherData, int former, int count, int changes)
    {
        if (isOtherData)
        {
            etcd.Logger.WatchFoundOtherData(prefix, former, count);
        }
        else if (!first && changes > 0)
        {
            etcd.Logger.WatchRepaired(prefix, changes);
        }
    }

    /// <summary>Returns when the table has to be listed again.</summary>
    private async Task FollowAsync(ChannelWriter<ChangeBatch> batches, CancellationToken cancel)
    {
        using var listAgain = new CancellationTokenSource(RelistEvery, etcd.Time);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel, listAgain.Token);
        for (var (failures, resumes) = (0, false); !ended.IsCancellationRequested; resumes = true)
        {
            try
            {
                var since = long.MaxValue; // Changes up to this revision happened before this watch was there.
                await foreach (var answer in etcd.WatchOnceAsync(prefix, _revision + 1, ended.Token))
                {
                    failures = answer.Canceled ? failures : 0;
                    if (!answer.Canceled)
                    {
                        Interlocked.Exchange(ref _cutAt, Never);
                    }

                    if (answer.Canceled && answer.CompactRevision > 0)
                    {
                        etcd.Logger.WatchRelisted(prefix, _table.Count);
                        return;
                    }

                    if (answer.Canceled)
                    {
                        throw new EtcdException(EtcdError.Refused, answer.CancelReason);
                    }

                    if (answer.Created && await IsAnotherTableAsync(answer.Header, resumes, ended.Token))
                    {
                        return;
                    }

                    since = answer.Created ? answer.Header.Revision : since;
                    var isLive = answer.Events.All(change => change.Kv.ModRevision > since);
                    if (answer.Events.Count > 0)
                    {
                        await batches.WriteAsync(new ChangeBatch([.. answer.Events.Select(Note)], Listed: false, isLive), cancel);
                    }

                    _revision = RevisionAfter(answer);
                }

                throw new EtcdException(EtcdError.Unavailable, "etcd ended the watch");
            }
            catch (EtcdException failure) when (failure.Error != EtcdError.Compacted)
            {
                await PauseAsync(failure, ++failures, ended.Token);
            }
            catch (OperationCanceledException) when (listAgain.IsCancellationRequested && !cancel.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>
    /// Whether etcd's table at the last delivered revision differs from what was delivered, by cluster id and number of
    /// keys. Notes whether that proves a restored or wiped etcd.
    /// </summary>
    private async Task<bool> IsAnotherTableAsync(ResponseHeader created, bool resumes, CancellationToken cancel)
    {
        _isOtherData = _cluster != 0 && _cluster != created.ClusterId;
        _cluster = created.ClusterId;
        if (_isOtherData || !(resumes || created.Revision < _revision))
        {
            return _isOtherData;
        }

        try
        {
            // The revision alone is no proof: a member may lag behind, and a new history may have reached the old revision.
            // This read goes through the leader.
            var then = new RangeRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix), Revision = _revision, CountOnly = true };
            return (await etcd.RangeAsync(then, cancel)).Count != _table.Count;
        }
        catch (EtcdException failure) when (failure.Error == EtcdError.Compacted)
        {
            return _isOtherData = failure.Message.Contains("future", StringComparison.Ordinal);
        }
    }

    /// <summary>The revision up to which all is delivered. The header of a new watch's first answer is ahead of that.</summary>
    private long RevisionAfter(WatchResponse answer) => answer switch
    {
        { Created: true } or { Fragment: true } => _revision,
        { Events.Count: > 0 } => answer.Events[^1].Kv.ModRevision,
        _ => Math.Max(_revision, answer.Header.Revision),
    };

    private async Task PauseAsync(EtcdException failure, int failures, CancellationToken cancel)
    {
        Interlocked.CompareExchange(ref _cutAt, etcd.Time.GetTimestamp(), Never);
        var isRefused = failure.Error is not (EtcdError.Unavailable or EtcdError.Compacted);
        if (isRefused && (failures == 1 || !_isRefused))
        {
            etcd.Logger.EtcdRefused(failure.Message);
        }

        _isRefused = isRefused;
        var pause = TimeSpan.FromMilliseconds(Math.Min(50 << Math.Min(failures, 8), LongestPause.TotalMilliseconds));
        await Task.Delay(pause, etcd.Time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private KeyChange Note(Event change) =>
        change.Type == Event.Types.EventType.Put ? _table.Put(change.Kv) : _table.Delete(change.Kv.Key, change.Kv.ModRevision);
}
