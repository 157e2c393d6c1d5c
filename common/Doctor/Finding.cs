using System.Text.Json.Serialization;

namespace Dts.Common.Doctor;

/// <summary>One thing that the doctor looked at.</summary>
/// <param name="Area">What it belongs to: etcd, log store, spool and so on.</param>
/// <param name="Remedy">The command that mends it; empty = there is nothing to mend.</param>
public sealed record Finding(FindingLevel Level, string Area, string What, string Remedy = "")
{
    public static Finding Ok(string area, string what) => new(FindingLevel.Ok, area, what);

    public static Finding Warning(string area, string what, string remedy) => new(FindingLevel.Warning, area, what, remedy);

    public static Finding Error(string area, string what, string remedy) => new(FindingLevel.Error, area, what, remedy);
}

[JsonConverter(typeof(WordsOnly<FindingLevel>))]
public enum FindingLevel
{
    [JsonStringEnumMemberName("ok")]
    Ok,

    /// <summary>It works, and is not as it should be.</summary>
    [JsonStringEnumMemberName("warning")]
    Warning,

    /// <summary>The service cannot do its work, or soon will not.</summary>
    [JsonStringEnumMemberName("error")]
    Error,
}
