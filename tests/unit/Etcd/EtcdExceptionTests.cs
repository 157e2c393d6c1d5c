using Dts.Common.Etcd;
using Grpc.Core;
using Xunit;

namespace Dts.Tests.Unit.Etcd;

/// <remarks>The texts are those of etcd 3.4 to 3.6, api/v3rpc/rpctypes/error.go.</remarks>
public sealed class EtcdExceptionTests
{
    [Theory]
    // away, for now
    [InlineData(14, "etcdserver: no leader",                                                    EtcdError.Unavailable)]
    [InlineData(14, "etcdserver: request timed out",                                            EtcdError.Unavailable)]
    [InlineData(4,  "context deadline exceeded",                                                EtcdError.Unavailable)]
    [InlineData(1,  "grpc: the client connection is closing",                                   EtcdError.Unavailable)]
    [InlineData(2,  "etcdserver: leader changed",                                               EtcdError.Unavailable)]
    // gone
    [InlineData(11, "etcdserver: mvcc: required revision has been compacted",                   EtcdError.Compacted)]
    [InlineData(5,  "etcdserver: requested lease not found",                                    EtcdError.LeaseNotFound)]
    // who we are
    [InlineData(16, "etcdserver: invalid auth token",                                           EtcdError.Unauthenticated)]
    [InlineData(3,  "etcdserver: authentication failed, invalid user ID or password",           EtcdError.Unauthenticated)]
    [InlineData(3,  "etcdserver: revision of auth store is old",                                EtcdError.Unauthenticated)]
    [InlineData(7,  "etcdserver: permission denied",                                            EtcdError.PermissionDenied)]
    // too much
    [InlineData(8,  "etcdserver: mvcc: database space exceeded",                                EtcdError.Exhausted)]
    [InlineData(8,  "etcdserver: too many requests",                                            EtcdError.Exhausted)]
    // no use
    [InlineData(3,  "etcdserver: duplicate key given in txn request",                           EtcdError.Refused)]
    [InlineData(3,  "etcdserver: user name is empty",                                           EtcdError.Refused)]
    [InlineData(5,  "etcdserver: member not found",                                             EtcdError.Refused)]
    [InlineData(12, "unknown service etcdserverpb.KV",                                          EtcdError.Refused)]
    public void A_gRPC_status_maps_to_a_kind_of_failure(int status, string message, EtcdError error)
    {
        var failure = EtcdException.From(status, message);

        Assert.Equal((error, message), (failure.Error, failure.Message));
    }

    [Theory]
    [InlineData(
        "The HTTP/2 server didn't respond to a ping request within the configured KeepAlivePingDelay. HTTP/2 error code 'X' (0x1).",
        "no answer from http://10.0.0.1:2379/ in 10 s")]
    [InlineData(
        "The HTTP/2 server closed the connection. HTTP/2 error code 'NO_ERROR' (0x0).",
        "http://10.0.0.1:2379/ closed the connection")]
    public void A_broken_connection_is_told_in_words_of_DTS(string dotNet, string message)
    {
        var cause = new HttpRequestException("An error occurred.", new IOException("Aborted.", new HttpProtocolException(1, dotNet, null)));
        var failure = new RpcException(new Status(StatusCode.Unavailable, "Error starting gRPC call.", cause));

        var told = EtcdException.TryTranslate(failure, new Uri("http://10.0.0.1:2379"), TimeSpan.FromSeconds(2), CancellationToken.None)!;

        Assert.Equal((EtcdError.Unavailable, message), (told.Error, told.Message));
    }

    [Fact]
    public void A_status_without_a_message_is_named_by_its_number()
    {
        Assert.Equal("gRPC status 3", EtcdException.From(3, "").Message);
    }
}
