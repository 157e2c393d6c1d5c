using Etcdserverpb;
using Google.Protobuf;

namespace Dts.Tests.Simulation;

/// <summary>A watch on a <see cref="SimEtcd"/>: its answers, in their order, read one at a time.</summary>
/// <remarks>
/// The reader is the network: it decides when an answer leaves etcd. A compaction cancels a watch that is behind it, as etcd cancels a slow
/// client's. There are no notices of progress.
/// </remarks>
internal sealed class SimWatch
{
    private readonly SimEtcd _etcd;
    private readonly SimKeys _keys;
    private readonly KeyRange _range;
    private readonly long _createdAt;
    private bool _isCreated;
    private long _next; // All revisions before it have been read.

    public SimWatch(SimEtcd etcd, WatchCreateRequest request)
    {
        if (request is not { PrevKv: false, WatchId: 0, Filters.Count: 0, StartRevision: >= 0 })
        {
            throw new NotSupportedException($"SimEtcd does not know prev_kv, watch_id or filters of a watch: {request}");
        }

        (_etcd, _keys, _createdAt) = (etcd, etcd.Keys, etcd.Revision);
        _range = new KeyRange(request.Key.IsEmpty ? ByteString.CopyFrom(0) : request.Key, request.RangeEnd);
        _next = request.StartRevision > 0 ? request.StartRevision : etcd.Revision + 1;
    }

    /// <summary>etcd has cancelled it; it says no more.</summary>
    public bool IsCanceled { get; private set; }

    /// <summary>The next answer: first that it is created, then the events of one revision at a time; null = none yet.</summary>
    /// <exception cref="Dts.Common.Etcd.EtcdException">etcd was restored, so the watch has ended.</exception>
    public WatchResponse? Read()
    {
        if (_keys != _etcd.Keys)
        {
            throw SimErrors.Restored();
        }

        if (!_isCreated)
        {
            _isCreated = true;
            return new WatchResponse { Header = _etcd.Header(_createdAt), Created = true };
        }

        if (IsCanceled || _next > _keys.Revision)
        {
            return null;
        }

        if (_next < _keys.CompactRevision)
        {
            IsCanceled = true;
            return new WatchResponse { Header = _etcd.Header(0), Canceled = true, CompactRevision = _keys.CompactRevision };
        }

        return ReadEvents();
    }

    private WatchResponse? ReadEvents()
    {
        WatchResponse? answer = null;
        foreach (var version in _keys.LogFrom(_keys.IndexOf(_next)))
        {
            if (answer is not null && version.Pair.ModRevision > answer.Header.Revision)
            {
                break;
            }

            if (_range.Contains(version.Pair.Key))
            {
                answer ??= new WatchResponse { Header = _etcd.Header(version.Pair.ModRevision) };
                answer.Events.Add(version.Event);
            }
        }

        _next = (answer?.Header.Revision ?? _keys.Revision) + 1;
        return answer;
    }
}
