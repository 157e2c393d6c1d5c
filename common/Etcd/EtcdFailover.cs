using Dts.Common.Hosting;
using Etcdserverpb;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Dts.Common.Etcd;

/// <summary>Decides which endpoint calls use, and logs for all callers together: failover, etcd lost, etcd back, out of space.</summary>
/// <remarks>
/// Thread-safe. A failure of the endpoint in use moves all callers to the next one. "Lost" is logged when every endpoint has failed in a
/// row, "back" at the first answer after that.
/// </remarks>
internal sealed class EtcdFailover(IReadOnlyList<Uri> endpoints, TimeProvider time, ILogger log)
{
    private readonly Lock _gate = new();
    private int _endpoint;
    private int _failures; // In a row, over all endpoints.
    private long _firstFailureAt;
    private bool _isFull;

    public Uri Current => endpoints[Volatile.Read(ref _endpoint) % endpoints.Count];

    /// <param name="cancel">The caller's token: a call that its caller cancelled proves nothing about the endpoint.</param>
    public void NoteFailure(Uri endpoint, EtcdException failure, CancellationToken cancel)
    {
        if (failure.IsOutOfSpace && !Interlocked.Exchange(ref _isFull, true))
        {
            log.EtcdFull(failure.Message);
        }

        if (failure.Error != EtcdError.Unavailable || cancel.IsCancellationRequested)
        {
            return;
        }

        lock (_gate)
        {
            if (Current != endpoint)
            {
                return; // Another call has already moved on from this endpoint.
            }

            if (_failures++ == 0)
            {
                _firstFailureAt = time.GetTimestamp();
            }

            _endpoint = (_endpoint + 1) % endpoints.Count;
            if (_failures < endpoints.Count)
            {
                log.EtcdFailover(endpoint, failure.Message, Current);
            }
            else if (_failures == endpoints.Count)
            {
                log.EtcdLost(failure.Message);
            }
        }
    }

    public void NoteSuccess(Uri endpoint, IMessage request)
    {
        if (Volatile.Read(ref _isFull) && TakesSpace(request) && Interlocked.Exchange(ref _isFull, false))
        {
            log.EtcdTakesWrites();
        }

        if (Volatile.Read(ref _failures) == 0)
        {
            return;
        }

        lock (_gate)
        {
            if (_failures >= endpoints.Count)
            {
                log.EtcdBack(endpoint, time.GetElapsedTime(_firstFailureAt).TotalSeconds);
            }

            _failures = 0;
        }
    }

    /// <summary>Whether etcd refuses a request when it is out of space. etcd does not look into nested transactions.</summary>
    private static bool TakesSpace(IMessage request) => request switch
    {
        PutRequest or LeaseGrantRequest => true,
        TxnRequest txn => txn.Success.Concat(txn.Failure).Any(operation => operation.RequestPut is not null),
        _ => false,
    };
}
