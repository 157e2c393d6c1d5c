using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Etcdserverpb;

namespace Dts.Tests.Simulation;

/// <summary>Asks etcd what <see cref="Fires"/> wants to know, as <see cref="FireRequests"/> does.</summary>
internal sealed class SimRequests(SimWorker worker, SimCluster cluster)
{
    private static readonly ClaimAnswer NotDone = new ClaimAnswer.Failed(MayBeDone: false);

    public void Ask(FireRequest request)
    {
        switch (request)
        {
            case FireRequest.Claim claim:
                worker.Link.Txn(
                    worker,
                    claim.Txn,
                    answer => Answered(claim, claim.Read(answer)),
                    failure => AnswerAll(
                        claim, new ClaimAnswer.Failed(failure.Error == EtcdError.Unavailable, failure.Error == EtcdError.Refused)));
                break;
            case FireRequest.Look look:
                Ask(look, look.Txn, look.Read);
                break;
            case FireRequest.CreateCursor create:
                Ask(create, create.Txn, create.Read);
                break;
            case FireRequest.Recover recover:
                Recover(recover);
                break;
        }
    }

    private void Ask(FireRequest request, TxnRequest txn, Func<TxnResponse, IReadOnlyList<ClaimAnswer>> read) => worker.Link.Txn(
        worker, txn, answer => Answered(request, read(answer)), _ => AnswerAll(request, NotDone), isRepeatable: true);

    /// <summary>As <see cref="ClaimRecovery"/> does.</summary>
    private void Recover(FireRequest.Recover recover)
    {
        var (fire, session) = recover;
        worker.Link.Txn(
            worker,
            Txn.All([Txn.Get(cluster.Keys.Run(fire.Name, fire.RunId))]),
            found =>
            {
                if (found.Responses[0].ResponseRange.Kvs.FirstOrDefault() is { } pair
                    && Documents.TryReadInFlight(fire.RunId, pair.Value.Span, out var run, out _)
                    && run.Worker == worker.Host.Id && run.Session == session.ToString())
                {
                    FindJob(recover, pair.CreateRevision);
                }
                else
                {
                    AnswerAll(recover, new ClaimAnswer.Gone());
                }
            },
            failure => AnswerAll(recover, NotRecovered(failure)),
            isRepeatable: true);
    }

    private void FindJob(FireRequest.Recover recover, long revision) => worker.Link.Txn(
        worker,
        Txn.All([Txn.Get(cluster.Keys.Job(recover.Fire.Name), revision)]),
        answer => AnswerAll(
            recover,
            answer.Responses[0].ResponseRange.Kvs.FirstOrDefault() is { } job
                ? new ClaimAnswer.Mine(job, revision, recover.Session)
                : new ClaimAnswer.Gone()),
        failure => AnswerAll(recover, NotRecovered(failure)),
        isRepeatable: true);

    private static ClaimAnswer NotRecovered(EtcdException failure) =>
        failure.Error == EtcdError.Compacted ? new ClaimAnswer.Gone() : new ClaimAnswer.Failed(MayBeDone: true);

    private void AnswerAll(FireRequest request, ClaimAnswer answer) => Answered(request, [.. request.Fires.Select(_ => answer)]);

    private void Answered(FireRequest request, IReadOnlyList<ClaimAnswer> answers) =>
        worker.Take(new FireEvent.Answered(request, answers));
}
