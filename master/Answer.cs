using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dts.Common;

namespace Dts.Master;

/// <summary>The original's envelope: <c>{"errno":0,"msg":"success","data":…}</c>, always with status 200.</summary>
internal static class Answer
{
    public static Task SucceedAsync(HttpContext http) => WriteAsync(http, 0, "success", writer => writer.WriteNullValue());

    public static Task SucceedAsync<T>(HttpContext http, T data, JsonTypeInfo<T> type) =>
        WriteAsync(http, 0, "success", writer => JsonSerializer.Serialize(writer, data, type));

    public static Task FailAsync(HttpContext http, string message) => WriteAsync(http, -1, message, writer => writer.WriteNullValue());

    private static async Task WriteAsync(HttpContext http, int errno, string message, Action<Utf8JsonWriter> writeData)
    {
        http.Response.ContentType = "application/json; charset=utf-8";
        await using (var writer = new Utf8JsonWriter(http.Response.BodyWriter, new JsonWriterOptions { Encoder = DtsJson.Readable.Options.Encoder }))
        {
            writer.WriteStartObject();
            writer.WriteNumber("errno", errno);
            writer.WriteString("msg", message);
            writer.WritePropertyName("data");
            writeData(writer);
            writer.WriteEndObject();
        }

        await http.Response.BodyWriter.FlushAsync();
    }
}
