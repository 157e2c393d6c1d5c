using System.Text.Json.Serialization;

namespace Dts.Master.Jobs;

/// <summary>The JSON under requests/ in etcd.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RequestMark))]
internal sealed partial class RequestsJson : JsonSerializerContext;
