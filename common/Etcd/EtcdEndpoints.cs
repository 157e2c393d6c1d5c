using System.Net;
using Grpc.Core;
using Grpc.Net.Client;
using dotnet_etcd.interfaces;

namespace Dts.Common.Etcd;

/// <summary>The generated clients of the package dotnet-etcd, one per endpoint, each over a channel of its own.</summary>
/// <remarks>
/// A call is sent once: the channels have no ServiceConfig. The package's own channels repeat a transaction whose answer was lost, and
/// report success. <see cref="EtcdFailover"/> chooses the endpoint; <see cref="EtcdClient"/> decides whether a call may be repeated.
/// </remarks>
internal sealed class EtcdEndpoints : IDisposable
{
    // With this header, a member that is cut off from its cluster refuses a call instead of delaying it.
    private static readonly Metadata.Entry HasLeader = new("hasleader", "true");
    private static readonly Headers WithoutToken = new(null, [HasLeader]);

    private readonly HttpClient _http;
    private readonly Dictionary<Uri, (GrpcChannel Channel, IConnection Client)> _endpoints = [];
    private volatile Headers _latest = WithoutToken;

    public EtcdEndpoints(EtcdOptions options)
    {
        // Given a SocketsHttpHandler, Grpc.Net connects by itself and hides whether a request was sent. Given another handler, it still
        // looks for a connection before each call. Given a client, it does neither.
        _http = new HttpClient(new StatusHandler(options.CreateHandler())) { Timeout = Timeout.InfiniteTimeSpan };
        foreach (var endpoint in options.Endpoints.Distinct())
        {
            var channel = GrpcChannel.ForAddress(endpoint, new GrpcChannelOptions
            {
                HttpClient = _http,
                CompressionProviders = [], // etcd does not compress.
                MaxReceiveMessageSize = null,
                ThrowOperationCanceledOnCancellation = true,
            });
            _endpoints[endpoint] = (channel, new dotnet_etcd.EtcdClient(channel.CreateCallInvoker()).GetConnection());
        }
    }

    public IConnection this[Uri endpoint] => _endpoints[endpoint].Client;

    /// <param name="token">Null = the call is made without one.</param>
    public CallOptions Options(string? token, CancellationToken limit)
    {
        var headers = token is null ? WithoutToken : _latest;
        if (headers.Token != token)
        {
            _latest = headers = new Headers(token, [HasLeader, new Metadata.Entry("token", token!)]);
        }

        return new CallOptions(headers.Metadata, cancellationToken: limit);
    }

    public void Dispose()
    {
        foreach (var (channel, _) in _endpoints.Values)
        {
            channel.Dispose();
        }

        _http.Dispose();
    }

    /// <summary>Reports an HTTP error as one; Grpc.Net would turn it into a gRPC status, as if etcd had answered.</summary>
    private sealed class StatusHandler(SocketsHttpHandler sockets) : DelegatingHandler(sockets)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
        {
            var response = await base.SendAsync(request, cancel);
            if (response.StatusCode == HttpStatusCode.OK)
            {
                return response;
            }

            response.Dispose();
            var address = request.RequestUri?.GetLeftPart(UriPartial.Authority);
            throw new HttpRequestException($"{address}/ answered HTTP {(int)response.StatusCode}: is it etcd's client port?");
        }
    }

    /// <summary>The headers of all calls with one token. Calls only read them.</summary>
    private sealed record Headers(string? Token, Metadata Metadata);
}
