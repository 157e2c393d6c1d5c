using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Versions;

/// <summary>A version in etcd that waits for the log store. The revision of its key is that of the save.</summary>
/// <param name="Former">The revision of the job that it replaced; 0 = there was none.</param>
/// <param name="Job">Null = the job was deleted, or <paramref name="IsLarge"/>.</param>
/// <param name="IsLarge">The definition is left out; the job's value at the same revision has it.</param>
internal sealed record SavedVersion(DateTimeOffset At, string By, string From, long Former, Job? Job, bool IsLarge = false)
{
    private const int LengthMax = 128 << 10; // etcd accepts 1.5 MiB in a transaction, and the job in it may have 1 MiB.

    /// <summary>The value of the version's key; null = nothing changed.</summary>
    /// <param name="next">Null = the job is deleted.</param>
    public static string? Encode(DateTimeOffset at, Author author, long formerRevision, Job? former, Job? next)
    {
        var json = next is null ? null : JobJson.ToJson(next);
        if (json is not null && former is not null && JobJson.ToJson(former) == json)
        {
            return null;
        }

        var isLarge = json?.Length > LengthMax;
        var version = new SavedVersion(at, author.By, author.From, formerRevision, isLarge ? null : next, isLarge);
        return JsonSerializer.Serialize(version, VersionsJson.Readable.SavedVersion);
    }

    public static SavedVersion? TryRead(ReadOnlySpan<byte> json, out string why)
    {
        why = "";
        try
        {
            var version = JsonSerializer.Deserialize(json, VersionsJson.Readable.SavedVersion);
            why = version is null or { By: null } or { From: null } ? "it is not a version of a job" : "";
            return why.Length == 0 ? version : null;
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            why = Display.Line(wrong.Message);
            return null;
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(SavedVersion))]
internal sealed partial class VersionsJson : JsonSerializerContext
{
    /// <summary>The one to use; see <see cref="JsonText"/>.</summary>
    public static VersionsJson Readable => field ??= new(JsonText.Readable(Default.Options));
}
