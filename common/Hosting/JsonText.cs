using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dts.Common.Hosting;

/// <summary>How DTS writes JSON. Texts stay readable in etcd, in the log and in curl: only what JSON itself forbids is escaped.</summary>
public static class JsonText
{
    public static JsonSerializerOptions Readable(JsonSerializerOptions options) =>
        new(options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}

/// <summary>Reads and writes an enum by its words: a number is none, not even in quotes.</summary>
public sealed class WordsOnly<T>() : JsonStringEnumConverter<T>(namingPolicy: null, allowIntegerValues: false)
    where T : struct, Enum;
