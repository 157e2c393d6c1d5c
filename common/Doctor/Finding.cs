using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Common.Doctor;

/// <summary>One result of a check.</summary>
/// <param name="Area">etcd, log store, spool and so on.</param>
/// <param name="Remedy">The command that fixes it; empty = nothing is wrong.</param>
public sealed record Finding(FindingLevel Level, string Area, string What, string Remedy = "")
{
    public static Finding Ok(string area, string what) => new(FindingLevel.Ok, area, what);

    public static Finding Warning(string area, string what, string remedy) => new(FindingLevel.Warning, area, what, remedy);

    public static Finding Error(string area, string what, string remedy) => new(FindingLevel.Error, area, what, remedy);
}

[JsonConverter(typeof(CamelCaseEnumConverter<FindingLevel>))]
public enum FindingLevel
{
    Ok,

    /// <summary>It works, but is not as it should be.</summary>
    Warning,

    /// <summary>The service cannot do its work, or soon will not.</summary>
    Error,
}

/// <summary>Something that the doctor checks. If the check fails or takes too long, that is the finding, with this remedy.</summary>
/// <param name="What">The object of the check, in a word or two.</param>
public sealed record Check(string Area, string What, string Remedy, Func<CancellationToken, Task<IReadOnlyList<Finding>>> Look)
{
    public static Check Of(string area, string what, string remedy, Func<IEnumerable<Finding>> look) =>
        new(area, what, remedy, _ => Task.FromResult<IReadOnlyList<Finding>>([.. look()]));
}
