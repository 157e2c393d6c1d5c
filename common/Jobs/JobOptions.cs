using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>On how many workers a fire runs.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<JobMode>))]
public enum JobMode
{
    One,

    All,
}

/// <summary>What happens to a fire that is due while a run of the job is in flight.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<Overlap>))]
public enum Overlap
{
    /// <summary>The fire ends as skipped.</summary>
    Forbid,

    /// <summary>It runs beside the earlier run.</summary>
    Allow,

    /// <summary>The earlier run is killed first.</summary>
    Replace,
}

/// <summary>What happens to fires that no worker started in time and that are found more than ten seconds late.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<Misfire>))]
public enum Misfire
{
    /// <summary>They are recorded as missed.</summary>
    Skip,

    /// <summary>The latest of them runs if it is within the start deadline; the others are recorded as missed.</summary>
    Once,

    /// <summary>
    /// Those within the start deadline run, at most the latest hundred; the others are recorded as missed.
    /// </summary>
    All,
}

/// <summary>What happens to a run whose worker is lost.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<OnWorkerLost>))]
public enum OnWorkerLost
{
    Record,

    Rerun,
}

/// <summary>What a worker that is cut off from etcd does with its running commands.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<OnDisconnect>))]
public enum OnDisconnect
{
    Continue,

    Kill,
}

/// <summary>Which workers may run a job; empty = all.</summary>
public sealed record Target(IReadOnlyList<string>? Workers = null, IReadOnlyDictionary<string, string>? Labels = null)
{
    public IReadOnlyList<string> Workers { get; init; } = Workers ?? [];

    public IReadOnlyDictionary<string, string> Labels { get; init; } = Labels ?? new Dictionary<string, string>();

    [JsonIgnore]
    public bool IsAnyone => Workers.Count == 0 && Labels.Count == 0;

    /// <summary>Whether a worker may run the job: it is one of the named workers, if any, and has all the labels.</summary>
    public bool Matches(string workerId, IReadOnlyDictionary<string, string> labels) =>
        (Workers.Count == 0 || Workers.Contains(workerId)) && Labels.All(label => labels.GetValueOrDefault(label.Key) == label.Value);

    public bool Equals(Target? other) => other is not null
        && Workers.SequenceEqual(other.Workers)
        && Labels.Count == other.Labels.Count
        && Labels.All(label => other.Labels.TryGetValue(label.Key, out var value) && value == label.Value);

    public override int GetHashCode() => HashCode.Combine(
        Workers.Aggregate(0, HashCode.Combine),
        Labels.Aggregate(0, (hash, label) => hash ^ HashCode.Combine(label.Key, label.Value)));

    public override string ToString() => string.Join(' ', Workers.Concat(Labels.Select(label => $"{label.Key}={label.Value}")));
}

/// <summary>How often, and after which delays, a failed run is tried again.</summary>
public sealed record Retry(int Max = 0, int DelaySeconds = 10, double Backoff = 2, int MaxDelaySeconds = 3600, bool Elsewhere = false);
