using Dts.Common.Etcd;
using Etcdserverpb;
using Google.Protobuf;
using Grpc.Core;
using Xunit;
using dotnet_etcd.interfaces;

namespace Dts.Tests.Simulation;

/// <summary>Sends a request of any kind to a real etcd.</summary>
internal static class RealEtcd
{
    public static Task<IMessage> AskAsync(this EtcdClient etcd, IMessage request) => request switch
    {
        TxnRequest txn => CallAsync(etcd, txn, (real, ask, call) => real.KVClient.TxnAsync(ask, call).ResponseAsync),
        RangeRequest range => CallAsync(etcd, range, (real, ask, call) => real.KVClient.RangeAsync(ask, call).ResponseAsync),
        PutRequest put => CallAsync(etcd, put, (real, ask, call) => real.KVClient.PutAsync(ask, call).ResponseAsync),
        DeleteRangeRequest delete => CallAsync(etcd, delete, (real, ask, call) => real.KVClient.DeleteRangeAsync(ask, call).ResponseAsync),
        CompactionRequest compact => CallAsync(etcd, compact, (real, ask, call) => real.KVClient.CompactAsync(ask, call).ResponseAsync),
        LeaseGrantRequest grant => CallAsync(etcd, grant, (real, ask, call) => real.LeaseClient.LeaseGrantAsync(ask, call).ResponseAsync),
        LeaseRevokeRequest revoke =>
            CallAsync(etcd, revoke, (real, ask, call) => real.LeaseClient.LeaseRevokeAsync(ask, call).ResponseAsync),
        LeaseTimeToLiveRequest ttl =>
            CallAsync(etcd, ttl, (real, ask, call) => real.LeaseClient.LeaseTimeToLiveAsync(ask, call).ResponseAsync),
        LeaseKeepAliveRequest keep => CallAsync(etcd, keep, KeepAliveAsync),
        _ => throw new NotSupportedException($"{request.Descriptor.Name}"),
    };

    private static async Task<IMessage> CallAsync<TRequest, TAnswer>(
        EtcdClient etcd, TRequest request, Func<IConnection, TRequest, CallOptions, Task<TAnswer>> send)
        where TRequest : IMessage
        where TAnswer : IMessage =>
        await etcd.CallAsync(request, send, repeatable: false, CancellationToken.None);

    private static async Task<LeaseKeepAliveResponse> KeepAliveAsync(IConnection real, LeaseKeepAliveRequest request, CallOptions call)
    {
        using var stream = real.LeaseClient.LeaseKeepAlive(call);
        await stream.RequestStream.WriteAsync(request);
        Assert.True(await stream.ResponseStream.MoveNext(CancellationToken.None));
        return stream.ResponseStream.Current;
    }
}
