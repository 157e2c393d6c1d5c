using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Dts.Master.Api;

/// <summary>
/// The original's envelope: <c>{"errno":0,"msg":"success","data":…}</c>, with status 200 also for errors. Warnings, if any, are a fourth
/// member.
/// </summary>
/// <remarks>Serializes the whole answer before it sends the first byte: a failure gives an error, never half an answer.</remarks>
internal static class Answer
{
    private const int FlushBytes = 64 << 10;

    public static Task SucceedAsync(HttpContext http) => WriteAsync(http, 0, "success", "null"u8.ToArray());

    public static Task SucceedAsync<T>(HttpContext http, T data, JsonTypeInfo<T> type, IReadOnlyList<string>? warnings = null) =>
        WriteAsync(http, 0, "success", JsonSerializer.SerializeToUtf8Bytes(data, type), warnings);

    /// <summary>Answers a list, each row on its own.</summary>
    /// <param name="skip">Called for each row that cannot be serialized; the answer omits the row.</param>
    public static Task SucceedAsync<T>(HttpContext http, IReadOnlyList<T> rows, JsonTypeInfo<T> type, Action<T, Exception> skip)
    {
        // One buffer for all rows: an array for each, of which there may be 100,000, keeps the garbage collector busy for seconds.
        using var data = new MemoryStream();
        using var writer = new Utf8JsonWriter(data, new JsonWriterOptions { Encoder = ApiJson.Readable.Options.Encoder });
        data.WriteByte((byte)'[');
        foreach (var row in rows)
        {
            var before = data.Length;
            try
            {
                data.Write(before > 1 ? ","u8 : default);
                JsonSerializer.Serialize(writer, row, type);
                writer.Flush();
            }
            catch (Exception wrong) when (wrong is JsonException or InvalidOperationException or ArgumentException)
            {
                data.SetLength(before);
                skip(row, wrong);
            }

            writer.Reset();
        }

        data.WriteByte((byte)']');
        return WriteAsync(http, 0, "success", data.GetBuffer().AsMemory(0, (int)data.Length));
    }

    /// <summary>
    /// Answers with an error. If part of another answer has been sent, closes the connection instead, so that the client notices.
    /// </summary>
    public static Task FailAsync(HttpContext http, string message)
    {
        if (!http.Response.HasStarted)
        {
            return WriteAsync(http, -1, message, "null"u8.ToArray());
        }

        http.Abort();
        return Task.CompletedTask;
    }

    private static async Task WriteAsync(
        HttpContext http, int errno, string message, ReadOnlyMemory<byte> data, IReadOnlyList<string>? warnings = null)
    {
        var msg = JsonSerializer.Serialize(message, ApiJson.Readable.String);
        var front = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"errno\":{errno},\"msg\":{msg},\"data\":"));
        var more = warnings is { Count: > 0 }
            ? $",\"warnings\":{JsonSerializer.Serialize(warnings, ApiJson.Readable.IReadOnlyListString)}"
            : "";
        var back = Encoding.UTF8.GetBytes($"{more}}}");
        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers.CacheControl = "no-store";
        http.Response.ContentLength = (long)front.Length + data.Length + back.Length;
        http.Response.BodyWriter.Write(front);
        for (; data.Length > FlushBytes; data = data[FlushBytes..])
        {
            await http.Response.BodyWriter.WriteAsync(data[..FlushBytes]);
        }

        http.Response.BodyWriter.Write(data.Span);
        http.Response.BodyWriter.Write(back);
        await http.Response.BodyWriter.FlushAsync();
    }
}
