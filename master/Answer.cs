using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dts.Common;

namespace Dts.Master;

/// <summary>
/// The original's envelope: <c>{"errno":0,"msg":"success","data":…}</c>, with status 200 also for errors. Warnings, if any, are a fourth
/// member.
/// </summary>
/// <remarks>Serializes the whole answer before it sends the first byte: a failure gives an error, never half an answer.</remarks>
internal static class Answer
{
    private const int FlushBytes = 64 << 10;

    public static Task SucceedAsync(HttpContext http) => WriteAsync(http, 0, "success", ["null"u8.ToArray()]);

    public static Task SucceedAsync<T>(HttpContext http, T data, JsonTypeInfo<T> type, IReadOnlyList<string>? warnings = null) =>
        WriteAsync(http, 0, "success", [JsonSerializer.SerializeToUtf8Bytes(data, type)], warnings);

    /// <summary>Answers a list, each row on its own.</summary>
    /// <param name="skip">Called for each row that cannot be serialized; the answer omits the row.</param>
    public static Task SucceedAsync<T>(HttpContext http, IReadOnlyList<T> rows, JsonTypeInfo<T> type, Action<T, Exception> skip)
    {
        List<byte[]> data = ["["u8.ToArray()];
        foreach (var row in rows)
        {
            try
            {
                var json = JsonSerializer.SerializeToUtf8Bytes(row, type);
                data.AddRange(data.Count > 1 ? [","u8.ToArray(), json] : [json]);
            }
            catch (Exception wrong) when (wrong is JsonException or InvalidOperationException or ArgumentException)
            {
                skip(row, wrong);
            }
        }

        data.Add("]"u8.ToArray());
        return WriteAsync(http, 0, "success", data);
    }

    /// <summary>
    /// Answers with an error. If part of another answer has been sent, closes the connection instead, so that the client notices.
    /// </summary>
    public static Task FailAsync(HttpContext http, string message)
    {
        if (!http.Response.HasStarted)
        {
            return WriteAsync(http, -1, message, ["null"u8.ToArray()]);
        }

        http.Abort();
        return Task.CompletedTask;
    }

    private static async Task WriteAsync(
        HttpContext http, int errno, string message, List<byte[]> data, IReadOnlyList<string>? warnings = null)
    {
        var msg = JsonSerializer.Serialize(message, DtsJson.Readable.String);
        data.Insert(0, Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"errno\":{errno},\"msg\":{msg},\"data\":")));
        var more = warnings is { Count: > 0 }
            ? $",\"warnings\":{JsonSerializer.Serialize(warnings, DtsJson.Readable.IReadOnlyListString)}"
            : "";
        data.Add(Encoding.UTF8.GetBytes($"{more}}}"));
        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers.CacheControl = "no-store";
        http.Response.ContentLength = data.Sum(piece => (long)piece.Length);
        var unflushed = 0;
        foreach (var piece in data)
        {
            http.Response.BodyWriter.Write(piece);
            if ((unflushed += piece.Length) >= FlushBytes)
            {
                await http.Response.BodyWriter.FlushAsync();
                unflushed = 0;
            }
        }

        await http.Response.BodyWriter.FlushAsync();
    }
}
