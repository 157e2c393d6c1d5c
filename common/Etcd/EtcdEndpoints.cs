using System.Net;
using Grpc.Core;
using Grpc.Net.Client;
using dotnet_etcd.interfaces;

namespace Dts.Common.Etcd;

/// <summary>The clients of the package dotnet-etcd: for each endpoint one, over a channel of its own.</summary>
/// <remarks>
/// A call is sent once: the channels have no ServiceConfig. Those of the package repeat a transaction whose answer was lost, and report
/// success. Which endpoint is next, and whether a call may be repeated there, <see cref="EtcdClient"/> decides.
/// </remarks>
internal sealed class EtcdEndpoints : IDisposable
{
    private readonly PlainHandler _http;
    private readonly Dictionary<Uri, GrpcChannel> _channels = [];
    private readonly Dictionary<Uri, IConnection> _clients = [];

    public EtcdEndpoints(EtcdOptions options)
    {
        _http = new PlainHandler(options.CreateHandler());
        foreach (var endpoint in options.Endpoints.Distinct())
        {
            _channels[endpoint] = GrpcChannel.ForAddress(endpoint, new GrpcChannelOptions
            {
                HttpHandler = _http,
                MaxReceiveMessageSize = null,
                ThrowOperationCanceledOnCancellation = true,
            });
            var invoker = new Invoker(_channels[endpoint].CreateCallInvoker(), options.CallTimeout);
            _clients[endpoint] = new dotnet_etcd.EtcdClient(invoker).GetConnection();
        }
    }

    public IConnection this[Uri endpoint] => _clients[endpoint];

    /// <param name="token">Null = the call is made without one.</param>
    public static CallOptions Options(string? token, CancellationToken limit) =>
        new(token is null ? [] : new Metadata { { "token", token } }, cancellationToken: limit);

    public void Dispose()
    {
        foreach (var channel in _channels.Values)
        {
            channel.Dispose();
        }

        _http.Dispose();
    }

    /// <summary>Adds to each call what it must not lack.</summary>
    private sealed class Invoker(CallInvoker channel, TimeSpan callTimeout) : CallInvoker
    {
        // A member that is cut off from its cluster says so instead of keeping us waiting.
        private static readonly Metadata.Entry HasLeader = new("hasleader", "true");

        public override AsyncUnaryCall<TAnswer> AsyncUnaryCall<TRequest, TAnswer>(
            Method<TRequest, TAnswer> method, string? host, CallOptions options, TRequest request) =>
            channel.AsyncUnaryCall(method, host, Limit(Mark(options)), request);

        public override AsyncDuplexStreamingCall<TRequest, TAnswer> AsyncDuplexStreamingCall<TRequest, TAnswer>(
            Method<TRequest, TAnswer> method, string? host, CallOptions options) =>
            channel.AsyncDuplexStreamingCall(method, host, Mark(options));

        public override TAnswer BlockingUnaryCall<TRequest, TAnswer>(
            Method<TRequest, TAnswer> method, string? host, CallOptions options, TRequest request) =>
            throw new NotSupportedException($"{method.FullName} blocks a thread");

        public override AsyncServerStreamingCall<TAnswer> AsyncServerStreamingCall<TRequest, TAnswer>(
            Method<TRequest, TAnswer> method, string? host, CallOptions options, TRequest request) =>
            throw new NotSupportedException($"{method.FullName} is not in use");

        public override AsyncClientStreamingCall<TRequest, TAnswer> AsyncClientStreamingCall<TRequest, TAnswer>(
            Method<TRequest, TAnswer> method, string? host, CallOptions options) =>
            throw new NotSupportedException($"{method.FullName} is not in use");

        private static CallOptions Mark(CallOptions options)
        {
            var headers = options.Headers ?? [];
            headers.Add(HasLeader);
            return options.WithHeaders(headers);
        }

        /// <summary>Calls come with a limit by the monotonic clock; one without it gets a deadline, by the system's clock.</summary>
        private CallOptions Limit(CallOptions options) =>
            options.CancellationToken.CanBeCanceled ? options : options.WithDeadline(DateTime.UtcNow + callTimeout);
    }

    /// <summary>Hides .NET's own handler from gRPC, which would else connect by itself and not tell whether a request was sent.</summary>
    private sealed class PlainHandler(SocketsHttpHandler sockets) : HttpMessageHandler
    {
        private readonly HttpMessageInvoker _http = new(sockets);

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
        {
            var response = await _http.SendAsync(request, cancel);
            if (response.StatusCode == HttpStatusCode.OK)
            {
                return response;
            }

            response.Dispose();
            var address = request.RequestUri?.GetLeftPart(UriPartial.Authority);
            throw new HttpRequestException($"{address}/ answered HTTP {(int)response.StatusCode}: is it etcd's client port?");
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _http.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
