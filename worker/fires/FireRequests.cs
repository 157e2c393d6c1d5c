using Dts.Common.Etcd;
using Etcdserverpb;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Fires;

/// <summary>Sends the requests of <see cref="Fires"/> to etcd.</summary>
internal sealed class FireRequests(EtcdClient etcd, ILogger log)
{
    public async Task<FireEvent.Answered> AskAsync(FireRequest request)
    {
        try
        {
            return new FireEvent.Answered(request, request.Read(await etcd.TxnAsync(request.Txn, request.IsRepeatable)));
        }
        catch (EtcdException failure)
        {
            if (request is FireRequest.Claim && failure.Error != EtcdError.Unavailable)
            {
                log.ClaimRefused(failure.Message, request.Fires.Count);
            }

            var answer = request.Read(failure.Error);
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
}
