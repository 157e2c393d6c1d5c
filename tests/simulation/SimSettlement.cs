using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Etcdserverpb;

namespace Dts.Tests.Simulation;

/// <summary>Performs what <see cref="Settlement"/> has decided, as <see cref="Settler"/> does.</summary>
internal sealed class SimSettlement(SimWorld world, SimWorker worker, SimCluster cluster, OwedEndings owed)
{
    private readonly Keys _keys = cluster.Keys;

    public Settlement Decisions { get; } = new(cluster.Keys, worker.Host.Id);

    /// <param name="done">Is called in any case.</param>
    public void Perform(IReadOnlyList<SettleAction> actions, Session session, Action done)
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
            case SettleAction.MoveToSession taken:
                Ask(SettleTxn.MoveToSession(taken, session.Lease), done, answer =>
                {
                    if (answer.Succeeded)
                    {
                        taken.Run.MoveToSession(session.Lease, answer.Header.Revision);
                    }
                });
                break;
            case SettleAction.EndLost lost:
                world.Tally($"run lost: {lost.Why}");
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
                Decisions.Recording(ending, worker.Wall);
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
