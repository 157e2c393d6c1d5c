using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Dts.Master.Api;

/// <summary>
/// The original's envelope: <c>{"errno":0,"msg":"success","data":…}</c>, with status 200 also for errors. Warnings, if any, are a fourth
/// member.
/// </summary>
/// <remarks>
/// An answer of up to <see cref="HeldBytes"/> is serialized whole before its first byte is sent, so a failure gives an error, never half an
/// answer. A longer list is sent in pieces, which take little memory, and each row is serialized before its bytes are sent. If the list
/// cannot be completed, the connection is closed.
/// </remarks>
internal static class Envelope
{
    public const int HeldBytes = 4 << 20;

    private const int FlushBytes = 64 << 10;

    public static Task SucceedAsync(HttpContext http) => SendWholeAsync(http, 0, "success", "null"u8);

    public static Task SucceedAsync<T>(HttpContext http, T data, JsonTypeInfo<T> type, IReadOnlyList<string>? warnings = null) =>
        SendWholeAsync(http, 0, "success", JsonSerializer.SerializeToUtf8Bytes(data, type), warnings);

    /// <summary>Answers a list row by row.</summary>
    /// <param name="skip">Called for each row that cannot be serialized; the answer omits the row.</param>
    public static async Task SucceedAsync<T>(
        HttpContext http, IAsyncEnumerable<IReadOnlyList<T>> pieces, JsonTypeInfo<T> type, Action<T, Exception> skip)
    {
        using var held = new MemoryStream();
        using var writer = new Utf8JsonWriter(held, new JsonWriterOptions { Encoder = ApiJson.Readable.Options.Encoder });
        held.Write("""{"errno":0,"msg":"success","data":["""u8);
        var isFirst = true;
        await foreach (var piece in pieces)
        {
            foreach (var row in piece)
            {
                isFirst &= !TryAppend(held, writer, row, type, isFirst, skip);
                if (held.Length >= (http.Response.HasStarted ? FlushBytes : HeldBytes))
                {
                    await SendAsync(http, held);
                }
            }

            http.Features.Get<RequestDeadline>()?.Extend(TimeSpan.Zero); // Each piece has the whole deadline: the client may be slow.
        }

        held.Write("]}"u8);
        if (!http.Response.HasStarted)
        {
            SetHeaders(http, held.Length);
        }

        await SendAsync(http, held);
    }

    /// <summary>
    /// Answers with an error. If part of another answer has been sent, closes the connection instead, so that the client notices.
    /// </summary>
    public static Task FailAsync(HttpContext http, string message)
    {
        if (!http.Response.HasStarted)
        {
            return SendWholeAsync(http, -1, message, "null"u8);
        }

        http.Abort();
        return Task.CompletedTask;
    }

    private static Task SendWholeAsync(
        HttpContext http, int errno, string message, ReadOnlySpan<byte> data, IReadOnlyList<string>? warnings = null)
    {
        var held = new MemoryStream();
        var msg = JsonSerializer.Serialize(message, ApiJson.Readable.String);
        held.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"errno\":{errno},\"msg\":{msg},\"data\":")));
        held.Write(data);
        held.Write(Encoding.UTF8.GetBytes(warnings is { Count: > 0 }
            ? $",\"warnings\":{JsonSerializer.Serialize(warnings, ApiJson.Readable.IReadOnlyListString)}}}"
            : "}"));
        SetHeaders(http, held.Length);
        return SendAsync(http, held);
    }

    private static bool TryAppend<T>(
        MemoryStream held, Utf8JsonWriter writer, T row, JsonTypeInfo<T> type, bool isFirst, Action<T, Exception> skip)
    {
        var before = held.Length;
        try
        {
            held.Write(isFirst ? default : ","u8);
            JsonSerializer.Serialize(writer, row, type);
            writer.Flush();
            return true;
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException or ArgumentException)
        {
            held.SetLength(before);
            skip(row, wrong);
            return false;
        }
        finally
        {
            writer.Reset();
        }
    }

    /// <summary>Sends the bytes, and waits while the client is slower.</summary>
    private static async Task SendAsync(HttpContext http, MemoryStream held)
    {
        if (!http.Response.HasStarted)
        {
            SetHeaders(http, http.Response.ContentLength);
        }

        for (var rest = held.GetBuffer().AsMemory(0, (int)held.Length); rest.Length > 0; rest = rest[Math.Min(FlushBytes, rest.Length)..])
        {
            await http.Response.BodyWriter.WriteAsync(rest[..Math.Min(FlushBytes, rest.Length)]);
        }

        held.SetLength(0);
    }

    private static void SetHeaders(HttpContext http, long? length)
    {
        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers.CacheControl = "no-store";
        http.Response.ContentLength = length;
    }
}
