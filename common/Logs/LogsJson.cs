using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Common.Logs;

/// <summary>The JSON of records.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RunRecord))]
[JsonSerializable(typeof(Refused<RunRecord>))]
public sealed partial class LogsJson : JsonSerializerContext
{
    /// <summary>The one to use; see <see cref="JsonText"/>.</summary>
    public static LogsJson Readable => field ??= new(JsonText.Readable(Default.Options));

    /// <summary>A writer for <see cref="Readable"/> JSON that keeps no more than a piece of a <see cref="LongText"/> in memory.</summary>
    public static Utf8JsonWriter WriteTo(Stream stream) =>
        new(stream, new JsonWriterOptions { Encoder = Readable.Options.Encoder, SkipValidation = true });
}
