using Dts.Common.Etcd;
using Etcdserverpb;
using Grpc.Core;
using dotnet_etcd.interfaces;

namespace Dts.Worker.Sessions;

/// <summary>The calls that prolong and end a session's lease.</summary>
internal static class LeaseCalls
{
    /// <summary>Prolongs a lease. Returns false when it is gone.</summary>
    /// <param name="attempt">The time that each endpoint has to answer; null = the call timeout covers all endpoints together.</param>
    public static async Task<bool> KeepAliveAsync(
        this EtcdClient etcd, LeaseId lease, TimeSpan? attempt = null, CancellationToken cancel = default)
    {
        var request = new LeaseKeepAliveRequest { ID = lease.Value };
        var answer = await etcd.CallAsync(request, KeepAliveOnceAsync, repeatable: true, cancel, attempt);
        return answer.TTL > 0;
    }

    public static Task RevokeAsync(this EtcdClient etcd, LeaseId lease, CancellationToken cancel = default) =>
        etcd.CallAsync(
            new LeaseRevokeRequest { ID = lease.Value },
            static (connection, revoke, call) => connection.LeaseClient.LeaseRevokeAsync(revoke, call).ResponseAsync,
            repeatable: true,
            cancel);

    /// <summary>Uses etcd's stream of keep-alives for one request and one answer.</summary>
    private static async Task<LeaseKeepAliveResponse> KeepAliveOnceAsync(IConnection etcd, LeaseKeepAliveRequest request, CallOptions call)
    {
        using var stream = etcd.LeaseClient.LeaseKeepAlive(call);

        // If sending fails, reading the answer throws.
        await stream.RequestStream.WriteAsync(request).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await stream.RequestStream.CompleteAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return await stream.ResponseStream.MoveNext(CancellationToken.None)
            ? stream.ResponseStream.Current
            : throw new EtcdException(EtcdError.Unavailable, "etcd ended the call without an answer");
    }
}
