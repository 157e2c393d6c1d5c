using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>The JSON in etcd.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Job))]
[JsonSerializable(typeof(ClaimedRun))]
[JsonSerializable(typeof(RunSpec))]
[JsonSerializable(typeof(OwedEnding))]
[JsonSerializable(typeof(IReadOnlyList<ScheduleChange>))]
[JsonSerializable(typeof(WorkerRegistration))]
public sealed partial class JobsJson : JsonSerializerContext
{
    /// <summary>The one to use; see <see cref="JsonText"/>.</summary>
    public static JobsJson Readable => field ??= new(JsonText.Readable(Default.Options));
}
