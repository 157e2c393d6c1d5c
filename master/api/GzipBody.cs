using System.IO.Compression;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace Dts.Master.Api;

/// <summary>
/// The body of an answer to a client that accepts gzip: compressed if it is text of more than <see cref="FloorBytes"/>. A small answer
/// would grow, and a stream of events must not be held back.
/// </summary>
internal sealed class GzipBody(HttpResponse response, Stream inner) : Stream
{
    public const int FloorBytes = 1024;

    private readonly MemoryStream _held = new();
    private Stream? _target; // Null = the first bytes are held until the size is known to be worth it.

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Answers a request, compressed if client and answer suit it.</summary>
    public static async Task CompressAsync(HttpContext http, RequestDelegate answer)
    {
        http.Response.Headers.Vary = "Accept-Encoding";
        if (!Accepts(http.Request))
        {
            await answer(http);
            return;
        }

        var original = http.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        await using var body = new GzipBody(http.Response, original.Stream);
        var compressing = new StreamResponseBodyFeature(body, original);
        http.Features.Set<IHttpResponseBodyFeature>(compressing);
        try
        {
            await answer(http);
            await compressing.Writer.FlushAsync();
            await body.FinishAsync();
        }
        finally
        {
            http.Features.Set(original);
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_target is null && _held.Length + buffer.Length <= FloorBytes)
        {
            _held.Write(buffer.Span);
            return;
        }

        await BeginAsync(IsText(response.ContentType), cancellationToken);
        await _target!.WriteAsync(buffer, cancellationToken);
    }

    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        await BeginAsync(isCompressed: false, cancellationToken); // Somebody wants to see these bytes now.
        await _target!.FlushAsync(cancellationToken);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("expected WriteAsync");

    public override void Flush() => throw new NotSupportedException("expected FlushAsync");

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public static bool Accepts(HttpRequest request) =>
        StringWithQualityHeaderValue.TryParseList(request.Headers.AcceptEncoding, out var codings)
            && codings.Any(coding => coding.Value.Equals("gzip", StringComparison.OrdinalIgnoreCase) && coding.Quality is null or > 0);

    private static bool IsText(string? type) =>
        type is not null
            && !type.StartsWith("text/event-stream", StringComparison.Ordinal)
            && (type.StartsWith("text/", StringComparison.Ordinal)
                || type.Contains("json", StringComparison.Ordinal)
                || type.Contains("yaml", StringComparison.Ordinal));

    private async Task BeginAsync(bool isCompressed, CancellationToken cancel)
    {
        if (_target is not null)
        {
            return;
        }

        _target = inner;
        if (isCompressed && !response.HasStarted)
        {
            response.Headers.ContentEncoding = "gzip";
            response.ContentLength = null;
            if (response.Headers.ETag is [{ } tag] && !tag.StartsWith("W/", StringComparison.Ordinal))
            {
                response.Headers.ETag = $"W/{tag}"; // The bytes differ from the plain ones; nginx does the same.
            }

            _target = new GZipStream(inner, CompressionLevel.Fastest, leaveOpen: true);
        }

        await _target.WriteAsync(_held.GetBuffer().AsMemory(0, (int)_held.Length), cancel);
        _held.SetLength(0);
    }

    private async Task FinishAsync()
    {
        if (_target is null && _held.Length > 0)
        {
            await BeginAsync(isCompressed: false, CancellationToken.None);
        }

        if (_target is GZipStream gzip)
        {
            await gzip.DisposeAsync();
        }
    }
}
