using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Dts.Worker.Watches;
using Etcdserverpb;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Tests.Simulation;

/// <summary>What a worker follows in etcd, as <see cref="JobWatch"/> does.</summary>
internal sealed class SimWatches
{
    private readonly SimWorld _world;
    private readonly SimWorker _worker;
    private readonly SimCluster _cluster;
    private readonly Keys _keys;
    private readonly ChangeReader _reader;
    private readonly List<SimFollower> _followers = [];
    private Dictionary<string, ChangeReader.FoundCursor>? _cursors;
    private bool _areWorkersListed;
    private bool _areDrainsListed;
    private bool _areJobsFollowed;
    private bool _areJobsListed;

    public SimWatches(SimWorld world, SimWorker worker, SimCluster cluster)
    {
        (_world, _worker, _cluster, _keys) = (world, worker, cluster, cluster.Keys);
        _reader = new ChangeReader(_keys, worker.Host.Id, CronZone.Utc, NullLogger.Instance);
    }

    public void Start()
    {
        Follow(_keys.Workers, TakeWorkers);
        Follow(_keys.AllDrained, TakeDrains);
        Follow(_keys.AllQueued, batch => TakeAll(batch with { IsOtherData = false }, _reader.ReadQueued));
        Follow(_keys.Killers, batch => TakeAll(batch, _reader.ReadKill));
    }

    public void Stop() => _followers.ForEach(follower => follower.Stop());

    private void Follow(string prefix, Action<ChangeBatch> deliver)
    {
        var follower = new SimFollower(_world, _worker, prefix, deliver);
        _followers.Add(follower);
        follower.Start();
    }

    private void FollowJobs()
    {
        if (_areWorkersListed && _areDrainsListed && !_areJobsFollowed)
        {
            _areJobsFollowed = true;
            if (_cluster.JobsAtStart is var (all, due))
            {
                TakeAtStart(_worker.Host == _cluster.Hosts[0] ? all : due);
            }
            else
            {
                LoadCursors();
            }
        }
    }

    private void TakeAtStart(IReadOnlyList<FireEvent> jobs)
    {
        foreach (var job in jobs)
        {
            _worker.Take(job);
        }

        _worker.Take(new FireEvent.JobsListed());
    }

    private void LoadCursors() => _worker.Link.Call(
        _worker,
        etcd => etcd.Range(new RangeRequest { Key = Txn.Bytes(_keys.AllFired), RangeEnd = Txn.EndOf(_keys.AllFired) }),
        table =>
        {
            ChangeReader.ReadCursors(table.Kvs, _cursors = []);
            Follow(_keys.Jobs, TakeJobs);
        },
        _ => _worker.In(SimWorld.Second / 10, LoadCursors),
        isRepeatable: true);

    private void TakeJobs(ChangeBatch batch)
    {
        TakeAll(batch, change => _reader.ReadJob(change, _cursors));
        _cursors = null;
        if (!_areJobsListed)
        {
            _areJobsListed = true;
            _worker.Take(new FireEvent.JobsListed());
        }
    }

    private void TakeAll(ChangeBatch batch, Func<KeyChange, FireEvent?> read)
    {
        if (batch.IsOtherData)
        {
            _worker.Take(new FireEvent.EtcdReplaced());
        }

        foreach (var change in batch.Changes)
        {
            if (read(change) is { } happened)
            {
                _worker.Take(happened);
            }
        }
    }

    private void TakeWorkers(ChangeBatch batch)
    {
        foreach (var change in batch.Changes)
        {
            var happened = _reader.ReadWorker(change, out var registration);
            if (change is KeyChange.Put)
            {
                _worker.Clocks.Observe(_keys.WorkerOf(change.Key), registration?.Clock ?? default, isFresh: batch.IsLive);
            }
            else
            {
                _worker.Clocks.Forget(_keys.WorkerOf(change.Key));
                _worker.Settler.ReapSoon();
            }

            _worker.Take(happened);
        }

        _areWorkersListed = true;
        FollowJobs();
    }

    private void TakeDrains(ChangeBatch batch)
    {
        foreach (var change in batch.Changes)
        {
            _worker.Take(_reader.ReadDrain(change));
        }

        _areDrainsListed = true;
        FollowJobs();
    }
}
