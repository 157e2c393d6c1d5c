using System.Text.Json.Serialization;

namespace Dts.Worker;

/// <summary>The JSON that only workers write and read.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(HeldRun))]
internal sealed partial class WorkerJson : JsonSerializerContext;
