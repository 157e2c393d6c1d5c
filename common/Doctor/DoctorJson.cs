using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Common.Doctor;

/// <summary>The JSON that the doctor prints.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(IReadOnlyList<Finding>))]
internal sealed partial class DoctorJson : JsonSerializerContext
{
    /// <summary>The one to use; see <see cref="JsonText"/>.</summary>
    public static DoctorJson Readable => field ??= new(JsonText.Readable(Default.Options));
}
