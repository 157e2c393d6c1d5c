using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Fires;

/// <summary>Sends the requests of <see cref="Fires"/> to etcd.</summary>
internal sealed class FireRequests(EtcdClient etcd, Keys keys, string workerId, ILogger log)
{
    public async Task<FireEvent.Answered> AskAsync(FireRequest request)
    {
        try
        {
            return new FireEvent.Answered(request, request switch
            {
                FireRequest.OfTxn asked => asked.Read(await etcd.TxnAsync(asked.Txn, asked.IsRepeatable)),
                FireRequest.Recover(var fire, var session) =>
                    [await new ClaimRecovery(etcd, keys, workerId, session).FindAsync(fire) ?? (ClaimAnswer)new ClaimAnswer.Gone()],
                _ => throw new ArgumentOutOfRangeException(nameof(request), request, null),
            });
        }
        catch (EtcdException failure)
        {
            var answer = Judge(request, failure);
            return new FireEvent.Answered(request, [.. request.Fires.Select(_ => answer)]);
        }
    }

    /// <summary>False = the request failed, and it is unknown whether etcd carried it out.</summary>
    public async Task<bool> TryAsync(TxnRequest txn)
    {
        try
        {
            await etcd.TxnAsync(txn);
            return true;
        }
        catch (EtcdException)
        {
            return false; // The client has logged it.
        }
    }

    private ClaimAnswer Judge(FireRequest request, EtcdException failure)
    {
        switch (request)
        {
            case FireRequest.Claim:
                if (failure.Error != EtcdError.Unavailable)
                {
                    log.ClaimRefused(failure.Message, request.Fires.Count);
                }

                return new ClaimAnswer.Failed(
                    MayBeDone: failure.Error == EtcdError.Unavailable, IsRefused: failure.Error == EtcdError.Refused);
            case FireRequest.Recover:
                return failure.Error == EtcdError.Compacted
                    ? new ClaimAnswer.Gone() // If it has a run, the worker ends it as lost within a minute or two (Settlement).
                    : new ClaimAnswer.Failed(MayBeDone: true);
            default:
                return new ClaimAnswer.Failed(MayBeDone: false);
        }
    }
}
