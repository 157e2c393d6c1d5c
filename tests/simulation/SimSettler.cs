using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Tests.Simulation;

/// <summary>Reads what <see cref="Settlement"/> decides by, and performs it, when <see cref="Reaper"/> would.</summary>
internal sealed class SimSettler(SimWorld world, SimWorker worker, SimCluster cluster, OwedEndings owed)
{
    private const long LookEvery = SimWorld.Second;
    private const long ReapEvery = 15 * SimWorld.Second;
    private const long SettleOwnEvery = SimWorld.Minute;
    private const long SweepEvery = 10 * SimWorld.Minute;

    private readonly Settlement _settlement = new(cluster.Keys, worker.Host.Id);
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
                var read = new Settlement.OwnRuns(inEtcd, heldBefore, worker.Runs.ToList());
                Perform(_settlement.SettleOwn(read, session.Lease, worker.Wall), session, done);
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
            var actions = _settlement.SettleCluster(new Settlement.ClusterTables(killRequests, runs, endings, workers), worker.Wall);
            Perform(actions, session, () => Sweep(session));
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
            var actions = _settlement.FindOldCursors(new Settlement.CursorTables(cursors, jobs, workers), worker.Wall).ToList();
            Perform(actions, session, () => _isLooking = false);
        }, Fail), Fail), Fail);
    }

    private void List(string prefix, Action<IReadOnlyList<KeyValue>> listed, Action failed) => worker.Link.Call(
        worker,
        etcd => etcd.Range(new RangeRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix) }),
        table => listed(table.Kvs),
        _ => failed(),
        isRepeatable: true);

    private void Perform(IReadOnlyList<SettleAction> actions, Session session, Action done)
    {
        var left = actions.Count;
        if (left == 0 || session.IsLost)
        {
            done();
            return;
        }

        foreach (var action in actions)
        {
            Perform(action, session, () =>
            {
                if (--left == 0)
                {
                    done();
                }
            });
        }
    }

    private void Perform(SettleAction action, Session session, Action done)
    {
        world.Note($"settles: {action.GetType().Name}", worker.Host.Id, action.Key);
        switch (action)
        {
            case SettleAction.TakeAlong taken:
                Ask(SettleTxn.TakeAlong(taken, session.Lease), done, answer =>
                {
                    if (answer.Succeeded)
                    {
                        taken.Run.TakeAlong(session.Lease, answer.Header.Revision);
                    }
                });
                break;
            case SettleAction.EndLost lost:
                EndLost(lost, session, done, lost.Pair.CreateRevision);
                break;
            case SettleAction.GoOn(_, var run):
                run.LostAtMs = worker.Wall.ToUnixTimeMilliseconds();
                done();
                break;
            case SettleAction.KillHere(_, var run):
                run.LostAtMs = worker.Wall.ToUnixTimeMilliseconds();
                run.Command?.Kill(Run.RunElsewhere);
                done();
                break;
            case SettleAction.RecordOwed ending:
                _settlement.Recording(ending, worker.Wall);
                Ask(Txn.All([Txn.Get(_keys.Job(ending.Name))]), done, answer =>
                    owed.TryRecord(ending.Name, answer.Responses[0].ResponseRange.Kvs.FirstOrDefault(), ending.Owed));
                break;
            case SettleAction.RemoveUnreadable(var pair, _):
                Ask(SettleTxn.Remove(pair), done);
                break;
            case SettleAction.RemoveKillRequest(var pair):
                Ask(SettleTxn.Remove(pair), done);
                break;
            case SettleAction.RemoveCursor old:
                Ask(SettleTxn.RemoveCursor(old), done);
                break;
        }
    }

    private void EndLost(SettleAction.EndLost lost, Session session, Action done, long jobRevision) => worker.Link.Txn(
        worker,
        SettleTxn.AskAbout(_keys, lost, jobRevision),
        asked =>
        {
            var ending = SettleTxn.EndLost(_keys, lost, asked, session.Lease, worker.Clocks.Now);
            Ask(ending.Request, done, answer =>
            {
                if (answer.Succeeded)
                {
                    owed.TryRecord(lost.Name, ending.Definition, ending.Owed);
                }
            });
        },
        failure =>
        {
            if (failure.Error == EtcdError.Compacted && jobRevision > 0)
            {
                EndLost(lost, session, done, jobRevision: 0);
            }
            else
            {
                done();
            }
        },
        isRepeatable: true);

    private void Ask(TxnRequest request, Action done, Action<TxnResponse>? answered = null) => worker.Link.Txn(
        worker,
        request,
        answer =>
        {
            answered?.Invoke(answer);
            done();
        },
        _ => done());
}
