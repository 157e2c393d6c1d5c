using System.Text.Unicode;
using Microsoft.Net.Http.Headers;

namespace Dts.Master.Api;

/// <summary>Reads a request's body into memory, up to a limit.</summary>
internal static class RequestBody
{
    /// <summary>Above this size the connection is closed: nobody sends such a body by mistake.</summary>
    public const long BytesReadMax = 64 << 20;

    private const int PieceBytes = 16 << 10;

    /// <exception cref="Refusal">The body is larger. The rest is read and dropped: a client that still sends reads no answer.</exception>
    public static async Task<MemoryStream> ReadAsync(HttpContext http, int bytesMax, string expected)
    {
        var body = new MemoryStream();
        var piece = new byte[PieceBytes];
        var isTooLarge = http.Request.ContentLength > bytesMax;
        while (await http.Request.Body.ReadAsync(piece, http.RequestAborted) is > 0 and var count)
        {
            isTooLarge |= body.Length + count > bytesMax;
            if (!isTooLarge)
            {
                body.Write(piece, 0, count);
            }
        }

        body.Position = 0;
        return isTooLarge
            ? throw Refusal.TooLarge($"body is larger than {bytesMax} bytes; expected {expected} within that limit")
            : body;
    }

    /// <summary>The body of a request below /api/; empty = there is none.</summary>
    /// <param name="types">The media types that the path accepts, without parameters.</param>
    /// <exception cref="Refusal">The body is larger, of another type (one without a type is accepted), or not in UTF-8.</exception>
    public static async Task<ReadOnlyMemory<byte>> ReadTypedAsync(HttpContext http, int bytesMax, params string[] types)
    {
        using var body = await ReadAsync(http, bytesMax, types.Contains("application/json") ? "JSON" : string.Join(" or ", types));
        var given = http.Request.ContentType ?? "";
        if (body.Length > 0 && given.Length > 0 && !types.Contains(given.Split(';')[0].Trim(), StringComparer.OrdinalIgnoreCase))
        {
            throw Refusal.WrongType(given, string.Join(" or ", types));
        }

        var text = body.GetBuffer().AsMemory(0, (int)body.Length);
        ThrowIfNotUtf8(given, text.Span);
        return text;
    }

    /// <param name="type">The Content-Type; empty = none was sent.</param>
    /// <exception cref="Refusal">The type names another charset, or the text is not UTF-8. A lenient decoder would change it.</exception>
    public static void ThrowIfNotUtf8(string type, ReadOnlySpan<byte> text)
    {
        if (text.Length > 0
            && MediaTypeHeaderValue.TryParse(type, out var read)
            && HeaderUtilities.RemoveQuotes(read.Charset) is { Length: > 0 } charset
            && !charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase)
            && !charset.Equals("utf8", StringComparison.OrdinalIgnoreCase))
        {
            throw Refusal.WrongType(type, "charset utf-8, or none");
        }

        if (!Utf8.IsValid(text))
        {
            throw new Refusal(Problem.Of(400, "body has bytes that are not UTF-8; expected text in UTF-8"));
        }
    }
}
