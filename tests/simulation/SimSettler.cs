using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Sessions;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Tests.Simulation;

/// <summary>Reads what <see cref="Settlement"/> decides by, when <see cref="Reaper"/> would.</summary>
internal sealed class SimSettler(SimWorld world, SimWorker worker, SimCluster cluster, SimSettlement settlement)
{
    private const long LookEvery = SimWorld.Second;
    private const long ReapEvery = 15 * SimWorld.Second;
    private const long SettleOwnEvery = SimWorld.Minute;
    private const long SweepEvery = 10 * SimWorld.Minute;

    private readonly Keys _keys = cluster.Keys;
    private long _settledOwnAt = world.Now;
    private long _sweptAt = world.Now;
    private long _reapedAt;
    private Session? _reapedUnder;
    private bool _isLooking;

    public void Start() => worker.In(LookEvery, Look);

    /// <summary>A worker has left.</summary>
    public void ReapSoon()
    {
        _reapedUnder = null;
        if (!_isLooking)
        {
            _isLooking = true;
            worker.In(SimWorld.Ms, DoChores);
        }
    }

    /// <summary>Settles the runs that this worker claimed.</summary>
    /// <param name="done">Is called in any case.</param>
    public void SettleOwn(Session session, Action done)
    {
        var heldBefore = worker.Runs.ToList();
        List(
            _keys.AllRuns,
            inEtcd =>
            {
                var read = new Settlement.OwnRunsRead(inEtcd, heldBefore, worker.Runs.ToList());
                settlement.Perform(settlement.Decisions.SettleOwn(read, session.Lease, worker.Wall), session, done);
            },
            done);
    }

    private void Look()
    {
        if (!_isLooking)
        {
            _isLooking = true;
            DoChores();
        }

        worker.In(LookEvery, Look);
    }

    private void DoChores()
    {
        if (worker.Session.Current is not { Holds: true } session)
        {
            _isLooking = false;
        }
        else if (world.Now - _settledOwnAt > SettleOwnEvery)
        {
            _settledOwnAt = world.Now;
            SettleOwn(session, () => Reap(session));
        }
        else
        {
            Reap(session);
        }
    }

    private void Reap(Session session)
    {
        if (_reapedUnder == session && world.Now - _reapedAt < ReapEvery)
        {
            _isLooking = false;
            return;
        }

        _reapedUnder = session; // Null again when a worker leaves meanwhile.
        Acquire(session, isOurs =>
        {
            _reapedAt = world.Now;
            if (isOurs)
            {
                SettleCluster(session);
            }
            else
            {
                _isLooking = false;
            }
        });
    }

    private void Fail()
    {
        _reapedUnder = null;
        _isLooking = false;
    }

    private void Acquire(Session session, Action<bool> done)
    {
        var key = _keys.Lock("reaper");
        worker.Link.Txn(
            worker,
            Txn.If(Txn.Missing(key)).Then(Txn.Put(key, worker.Host.Id, session.Lease)).Else(Txn.Get(key)),
            answer => done(answer.Succeeded || answer.Responses[0].ResponseRange.Kvs[0].Lease == session.Lease.Value),
            _ => Fail());
    }

    private void SettleCluster(Session session) =>
        List(_keys.Killers, killRequests => List(_keys.AllRuns, runs => List(_keys.AllOwed, endings => List(_keys.Workers, workers =>
        {
            var read = new Settlement.ClusterTables(killRequests, runs, endings, workers);
            var actions = settlement.Decisions.SettleCluster(read, worker.Wall);
            settlement.Perform(actions, session, () => Sweep(session));
        }, Fail), Fail), Fail), Fail);

    private void Sweep(Session session)
    {
        if (world.Now - _sweptAt < SweepEvery)
        {
            _isLooking = false;
            return;
        }

        _sweptAt = world.Now;
        List(_keys.AllFired, cursors => List(_keys.Jobs, jobs => List(_keys.Workers, workers =>
        {
            var actions = settlement.Decisions.FindOldCursors(new Settlement.CursorTables(cursors, jobs, workers), worker.Wall).ToList();
            settlement.Perform(actions, session, () => _isLooking = false);
        }, Fail), Fail), Fail);
    }

    private void List(string prefix, Action<IReadOnlyList<KeyValue>> listed, Action failed) => worker.Link.Call(
        worker,
        etcd => etcd.Range(new RangeRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix) }),
        table => listed(table.Kvs),
        _ => failed(),
        isRepeatable: true);
}
