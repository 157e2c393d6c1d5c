using Dts.Common.Etcd;
using Etcdserverpb;
using Google.Protobuf;
using Mvccpb;

namespace Dts.Tests.Simulation;

/// <summary>
/// Follows a table of etcd as <see cref="Dts.Common.Etcd.Watch"/> does: lists it, watches, resumes after a cut, lists again where it must.
/// </summary>
internal sealed class SimFollower(SimWorld world, SimWorker owner, string prefix, Action<ChangeBatch> deliver)
{
    private static readonly long LongestPause = SimWorld.Second;

    private readonly SimLink _link = owner.Link;
    private readonly Dictionary<ByteString, long> _delivered = [];
    private SimWatch? _watch;
    private long _revision;
    private ulong _cluster;
    private bool _isOtherData;
    private bool _isListed;
    private bool _isPoked;
    private int _failures;

    public void Start() => List();

    public void Stop() => Leave();

    /// <summary>Something has changed in etcd: its events are on their way.</summary>
    public void Poke()
    {
        if (_watch is not null && !_isPoked && !owner.IsDead)
        {
            _isPoked = true;
            world.Do(world.Now + _link.Delay(), Read);
        }
    }

    private void List() => _link.Call(
        owner,
        etcd => etcd.Range(new RangeRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix) }),
        Listed,
        _ => Pause(List),
        isRepeatable: true);

    private void Listed(RangeResponse table)
    {
        var changes = new List<KeyChange>();
        var (keys, revision) = (table.Kvs, table.Header.Revision);
        var isOtherData = _isOtherData
            || revision < _revision
            || keys.Any(pair => _delivered.TryGetValue(pair.Key, out var known) && known > pair.ModRevision);
        if (isOtherData)
        {
            world.Tally("tables found to be of other data");
            changes.AddRange(_delivered.Keys.Select(key => new KeyChange.Deleted(key.ToStringUtf8(), revision)));
            _delivered.Clear();
            _isOtherData = false;
        }

        var there = keys.Select(pair => pair.Key).ToHashSet();
        var gone = _delivered.Keys.Where(key => !there.Contains(key)).ToList();
        changes.AddRange(keys.Where(pair => !_delivered.TryGetValue(pair.Key, out var known) || known != pair.ModRevision).Select(Put));
        changes.AddRange(gone.Select(key => Delete(key, revision)));
        _revision = revision;
        _failures = 0;
        if (!_isListed || isOtherData || changes.Count > 0)
        {
            deliver(new ChangeBatch(changes, Listed: true, IsLive: false, isOtherData));
        }

        _isListed = true;
        Open(resumes: false);
    }

    private void Open(bool resumes)
    {
        var from = _revision + 1;
        _link.Call(
            owner,
            etcd =>
            {
                var watch = etcd.Watch(
                    new WatchCreateRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix), StartRevision = from });
                return (Watch: watch, Created: watch.Read()!);
            },
            opened => Opened(opened.Watch, opened.Created.Header, resumes),
            _ => Pause(() => Open(resumes: true)));
    }

    private void Opened(SimWatch watch, ResponseHeader created, bool resumes)
    {
        _isOtherData = _cluster != 0 && _cluster != created.ClusterId;
        _cluster = created.ClusterId;
        if (_isOtherData)
        {
            List();
        }
        else if (resumes || created.Revision < _revision)
        {
            var then = new RangeRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix), Revision = _revision, CountOnly = true };
            _link.Call(
                owner,
                etcd => etcd.Range(then),
                count =>
                {
                    if (count.Count != _delivered.Count)
                    {
                        List();
                    }
                    else
                    {
                        Follow(watch);
                    }
                },
                failure =>
                {
                    if (failure.Error == EtcdError.Compacted)
                    {
                        world.Tally("watches resumed behind a compaction");
                        _isOtherData = failure.Message.Contains("future", StringComparison.Ordinal);
                        List();
                    }
                    else
                    {
                        Pause(() => Open(resumes: true));
                    }
                },
                isRepeatable: true);
        }
        else
        {
            Follow(watch);
        }
    }

    private void Follow(SimWatch watch)
    {
        _watch = watch;
        _failures = 0;
        _link.Server.Follow(prefix, this);
        Poke();
    }

    private void Read()
    {
        _isPoked = false;
        if (owner.IsDead || _watch is null)
        {
            Leave();
        }
        else if (_link.IsCut || _link.IsBroken)
        {
            Break();
        }
        else
        {
            ReadAll(_watch);
        }
    }

    private void ReadAll(SimWatch watch)
    {
        try
        {
            while (watch.Read() is { } answer)
            {
                _link.Server.Costs?.NoteWatched(prefix, answer);
                if (answer.Canceled)
                {
                    world.Tally("watches cancelled by a compaction");
                    Leave();
                    owner.Do(List);
                    return;
                }

                owner.Do(() =>
                {
                    deliver(new ChangeBatch([.. answer.Events.Select(Note)], Listed: false, IsLive: true));
                    _revision = answer.Events[^1].Kv.ModRevision;
                });
            }
        }
        catch (EtcdException)
        {
            Break();
        }
    }

    /// <summary>The connection is gone, which the client notices sooner or later.</summary>
    private void Break()
    {
        Leave();
        world.Do(world.Now + world.Between(10 * SimWorld.Ms, 10 * SimWorld.Second), owner, () => Open(resumes: true));
    }

    private void Leave()
    {
        _watch = null;
        _link.Server.Unfollow(prefix, this);
    }

    private void Pause(Action next)
    {
        var pause = Math.Min(50 * SimWorld.Ms << Math.Min(++_failures, 8), LongestPause);
        owner.In(pause, next);
    }

    private KeyChange Note(Event change) =>
        change.Type == Event.Types.EventType.Put ? Put(change.Kv) : Delete(change.Kv.Key, change.Kv.ModRevision);

    private KeyChange Put(KeyValue pair)
    {
        _delivered[pair.Key] = pair.ModRevision;
        return new KeyChange.Put(pair.Key.ToStringUtf8(), pair.ModRevision, pair.CreateRevision, new LeaseId(pair.Lease), pair.Value);
    }

    private KeyChange.Deleted Delete(ByteString key, long revision)
    {
        _delivered.Remove(key);
        return new KeyChange.Deleted(key.ToStringUtf8(), revision);
    }
}
