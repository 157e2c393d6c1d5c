using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using Google.Protobuf;

namespace Dts.Common.Etcd;

/// <summary>gRPC over HTTP/2, as far as etcd needs it: calls of one message each way, and streams of answers.</summary>
/// <remarks>
/// The protocol: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. A message is a zero byte, its length in
/// four bytes, big-endian, and then the message; the status comes in the trailers, or in the headers when there is no body.
/// </remarks>
internal sealed class GrpcTransport(EtcdOptions options) : IDisposable
{
    private const int FrameHead = 5;
    private const int UnknownStatus = 2;

    private readonly HttpMessageInvoker _http = new(options.CreateHandler());

    public void Dispose() => _http.Dispose();

    /// <summary>Sends one message and returns the first that comes back.</summary>
    public async Task<TAnswer> CallAsync<TAnswer>(
        Uri endpoint, string method, IMessage request, MessageParser<TAnswer> parser, string? token, CancellationToken cancel)
        where TAnswer : IMessage<TAnswer>
    {
        using var content = new ByteArrayContent(Frame(request));
        using var response = await SendAsync(endpoint, method, content, token, cancel);
        using var body = await response.Content.ReadAsStreamAsync(cancel);
        var frame = await ReadFrameAsync(body, cancel);
        while (frame is not null && await body.ReadAsync(new byte[1], cancel) > 0)
        {
            // The trailers are there only when the body has been read to its end.
        }

        ThrowIfFailed(response.TrailingHeaders);
        return frame is null
            ? throw new EtcdException(EtcdError.Unavailable, $"{method}: the answer was cut off")
            : parser.ParseFrom(frame);
    }

    /// <summary>Sends one message, keeps the request open, and returns what comes back until it ends or fails.</summary>
    public async IAsyncEnumerable<TAnswer> StreamAsync<TAnswer>(
        Uri endpoint,
        string method,
        IMessage request,
        MessageParser<TAnswer> parser,
        string? token,
        TimeSpan connectTimeout,
        [EnumeratorCancellation] CancellationToken cancel)
        where TAnswer : IMessage<TAnswer>
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using var connecting = CancellationTokenSource.CreateLinkedTokenSource(ended.Token);
        connecting.CancelAfter(connectTimeout);
        using var content = new OpenContent(Frame(request), ended.Token);
        using var response = await SendAsync(endpoint, method, content, token, connecting.Token);
        connecting.CancelAfter(Timeout.InfiniteTimeSpan);
        using var body = await response.Content.ReadAsStreamAsync(cancel);
        try
        {
            while (await ReadFrameAsync(body, cancel) is { } frame)
            {
                yield return parser.ParseFrom(frame);
            }
        }
        finally
        {
            await ended.CancelAsync();
        }

        ThrowIfFailed(response.TrailingHeaders);
    }

    private static byte[] Frame(IMessage message)
    {
        var length = message.CalculateSize();
        var frame = new byte[FrameHead + length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), length);
        message.WriteTo(frame.AsSpan(FrameHead));
        return frame;
    }

    private async Task<HttpResponseMessage> SendAsync(
        Uri endpoint, string method, HttpContent content, string? token, CancellationToken cancel)
    {
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint, method))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        request.Headers.Add("hasleader", "true"); // A member cut off from its cluster says so instead of keeping us waiting.
        if (token is not null)
        {
            request.Headers.Add("token", token);
        }

        var response = await _http.SendAsync(request, cancel);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            response.Dispose();
            throw new EtcdException(EtcdError.Unavailable, $"{endpoint} answered HTTP {(int)response.StatusCode}: is it etcd's client port?");
        }

        ThrowIfFailed(response.Headers);
        return response;
    }

    private static void ThrowIfFailed(HttpResponseHeaders headers)
    {
        if (headers.TryGetValues("grpc-status", out var values)
            && (int.TryParse(values.First(), out var status) ? status : UnknownStatus) > 0)
        {
            var message = headers.TryGetValues("grpc-message", out var texts) ? texts.First() : "";
            throw EtcdException.From(status > 0 ? status : UnknownStatus, message);
        }
    }

    private static async Task<byte[]?> ReadFrameAsync(Stream body, CancellationToken cancel)
    {
        var head = new byte[FrameHead];
        var read = await body.ReadAtLeastAsync(head, FrameHead, throwOnEndOfStream: false, cancel);
        if (read < FrameHead)
        {
            return null;
        }

        var frame = new byte[BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(1))];
        await body.ReadExactlyAsync(frame, cancel);
        return frame;
    }

    /// <summary>A request body that is sent at once and stays open until it is told to end.</summary>
    private sealed class OpenContent(byte[] frame, CancellationToken end) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(frame, end);
            await stream.FlushAsync(end);
            var open = new TaskCompletionSource();
            await using var registration = end.Register(open.SetResult);
            await open.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
