using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Doctor;
using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Common;

/// <summary>All JSON that is stored or sent.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Job))]
[JsonSerializable(typeof(RunInFlight))]
[JsonSerializable(typeof(RunSpec))]
[JsonSerializable(typeof(OwedEnding))]
[JsonSerializable(typeof(IReadOnlyList<LedgerLine>))]
[JsonSerializable(typeof(IReadOnlyList<RunInSight>))]
[JsonSerializable(typeof(LogPage))]
[JsonSerializable(typeof(JobStats))]
[JsonSerializable(typeof(OutputEvent))]
[JsonSerializable(typeof(IReadOnlyList<Finding>))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(IReadOnlyList<ScheduleChange>))]
[JsonSerializable(typeof(RunRecord))]
[JsonSerializable(typeof(Refused<RunRecord>))]
[JsonSerializable(typeof(WorkerRegistration))]
[JsonSerializable(typeof(IReadOnlyList<Job>))]
[JsonSerializable(typeof(IReadOnlyList<RunRecord>))]
[JsonSerializable(typeof(IReadOnlyList<string>))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, WorkerRegistration>))]
public sealed partial class DtsJson : JsonSerializerContext
{
    /// <summary>The one to use. Texts stay readable in etcd, in the log and in curl: only what JSON itself forbids is escaped.</summary>
    public static DtsJson Readable => field ??= new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    /// <summary>A writer for <see cref="Readable"/> JSON that keeps no more than a piece of a <see cref="LongText"/> in memory.</summary>
    public static Utf8JsonWriter WriteTo(Stream stream) => new(stream, new JsonWriterOptions { Encoder = Readable.Options.Encoder, SkipValidation = true });
}
