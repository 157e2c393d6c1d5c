using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Dts.Common.Etcd.Wire;

namespace Dts.Common.Etcd;

/// <summary>Follows all keys under a prefix: first what is there, then each change, for ever.</summary>
/// <remarks>
/// <para>Constraints: a watch ends with its connection, with its member's leader, and when it asks for compacted history; etcd 3.4
/// and 3.5 can drop events around a compaction (etcd issues 18089, 19179).</para>
/// <para>Scheme: after a cut it resumes at the last revision + 1; after a compaction, and every <see cref="RelistEvery"/> even when all
/// looks well, it lists the table again and delivers the difference from what it has delivered. When it resumes it also notices an etcd
/// that has come back with different data (restored or wiped): then it delivers every known key as deleted and every listed key as put.
/// Callers see changes only.</para>
/// </remarks>
public sealed class Watch(EtcdClient etcd, string prefix)
{
    /// <summary>How often the table is listed again although the watch looks healthy.</summary>
    public static readonly TimeSpan RelistEvery = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, long> _delivered = []; // key -> mod revision
    private long _revision;
    private ulong _cluster; // 0 = not known yet.
    private bool _isOtherData;

    public async IAsyncEnumerable<ChangeBatch> ReadAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var batches = Channel.CreateBounded<ChangeBatch>(16); // full: the watch waits, and etcd keeps the events for it
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
            batches.Complete(bug); // Its reader ends with it.
        }
    }

    private async Task FollowForEverAsync(ChannelWriter<ChangeBatch> batches, CancellationToken cancel)
    {
        var listed = false;
        for (var failures = 0; !cancel.IsCancellationRequested;)
        {
            try
            {
                await ListAsync(batches, first: !listed, cancel);
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
                // Told to end.
            }
        }
    }

    private async Task ListAsync(ChannelWriter<ChangeBatch> batches, bool first, CancellationToken cancel)
    {
        var (keys, revision) = await TableLoader.LoadAsync(etcd, prefix, cancel);
        var changes = new List<KeyChange>();
        var isOtherData = _isOtherData || revision < _revision;
        if (isOtherData)
        {
            etcd.Logger.WatchFoundOtherData(prefix, _delivered.Count, keys.Count);
            changes.AddRange(_delivered.Keys.Select(key => new KeyChange.Deleted(key, revision)));
            _delivered.Clear(); // The old revisions mean nothing in the new data.
            _isOtherData = false;
        }

        var gone = new HashSet<string>(_delivered.Keys);
        foreach (var pair in keys)
        {
            var put = ToPut(pair);
            gone.Remove(put.Key);
            if (!_delivered.TryGetValue(put.Key, out var known) || known != put.ModRevision)
            {
                changes.Add(put);
            }
        }

        changes.AddRange(gone.Select(key => new KeyChange.Deleted(key, revision)));
        _revision = revision;
        if (first || changes.Count > 0)
        {
            await DeliverAsync(batches, new ChangeBatch(changes, Listed: true, IsLive: false), cancel);
        }

        if (!first && !isOtherData && changes.Count > 0)
        {
            etcd.Logger.WatchRepaired(prefix, changes.Count);
        }
    }

    /// <summary>Returns when the table is to be listed again.</summary>
    private async Task FollowAsync(ChannelWriter<ChangeBatch> batches, CancellationToken cancel)
    {
        using var listAgain = new CancellationTokenSource(RelistEvery, etcd.Time);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel, listAgain.Token);
        for (var (failures, resumes) = (0, false); !ended.IsCancellationRequested; resumes = true)
        {
            try
            {
                var toldAfterwards = long.MaxValue; // Up to which revision it happened before this watch was there.
                await foreach (var answer in etcd.WatchOnceAsync(prefix, _revision + 1, ended.Token))
                {
                    failures = answer.Canceled ? failures : 0;
                    if (answer.Canceled && answer.CompactRevision > 0)
                    {
                        etcd.Logger.WatchRelisted(prefix, _delivered.Count);
                        return;
                    }

                    if (answer.Canceled)
                    {
                        throw new EtcdException(EtcdError.Refused, answer.CancelReason);
                    }

                    if (answer.Created && await HasOtherDataAsync(answer.Header, resumes, ended.Token))
                    {
                        _isOtherData = true;
                        return;
                    }

                    toldAfterwards = answer.Created ? answer.Header.Revision : toldAfterwards;
                    var isLive = answer.Events.All(change => change.Kv.ModRevision > toldAfterwards);
                    await DeliverAsync(batches, new ChangeBatch([.. answer.Events.Select(ToChange)], Listed: false, isLive), cancel);
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

    /// <summary>Whether etcd's table, at the last delivered revision, differs from what this watch has delivered.</summary>
    private async Task<bool> HasOtherDataAsync(ResponseHeader created, bool resumes, CancellationToken cancel)
    {
        var isOtherCluster = _cluster != 0 && _cluster != created.ClusterId;
        _cluster = created.ClusterId;
        if (isOtherCluster || !(resumes || created.Revision < _revision))
        {
            return isOtherCluster;
        }

        try
        {
            // The revision alone is no proof: a member may lag behind, and a new history may have reached the old revision.
            // This read goes through the leader.
            var then = new RangeRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix), Revision = _revision, CountOnly = true };
            return (await etcd.RangeAsync(then, cancel)).Count != _delivered.Count;
        }
        catch (EtcdException failure) when (failure.Error == EtcdError.Compacted)
        {
            return failure.Message.Contains("future", StringComparison.Ordinal);
        }
    }

    /// <summary>Up to where all has been delivered. The header of a new watch's first answer says more than that.</summary>
    private long RevisionAfter(WatchResponse answer) => answer switch
    {
        { Created: true } or { Fragment: true } => _revision,
        { Events.Count: > 0 } => answer.Events[^1].Kv.ModRevision,
        _ => Math.Max(_revision, answer.Header.Revision),
    };

    private async Task DeliverAsync(ChannelWriter<ChangeBatch> batches, ChangeBatch batch, CancellationToken cancel)
    {
        foreach (var change in batch.Changes)
        {
            if (change is KeyChange.Put)
            {
                _delivered[change.Key] = change.ModRevision;
            }
            else
            {
                _delivered.Remove(change.Key);
            }
        }

        if (batch.Changes.Count > 0 || batch.Listed)
        {
            await batches.WriteAsync(batch, cancel);
        }
    }

    private async Task PauseAsync(EtcdException failure, int failures, CancellationToken cancel)
    {
        if (failure.Error is not (EtcdError.Unavailable or EtcdError.Compacted) && failures == 1)
        {
            etcd.Logger.EtcdRefused(failure.Message);
        }

        var pause = TimeSpan.FromMilliseconds(Math.Min(50 << Math.Min(failures, 8), LongestPause.TotalMilliseconds));
        await Task.Delay(pause, etcd.Time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static KeyChange ToChange(Event change) => change.Type == Event.Types.EventType.Put
        ? ToPut(change.Kv)
        : new KeyChange.Deleted(change.Kv.Key.ToStringUtf8(), change.Kv.ModRevision);

    private static KeyChange.Put ToPut(KeyValue pair) =>
        new(pair.Key.ToStringUtf8(), pair.ModRevision, pair.CreateRevision, new LeaseId(pair.Lease), pair.Value);
}
