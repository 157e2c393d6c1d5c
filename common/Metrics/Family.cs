namespace Dts.Common.Metrics;

/// <summary>A metric of Prometheus: a name, and a sample for each combination of labels.</summary>
/// <param name="Name">It ends in its unit; a counter's ends in <c>_total</c>.</param>
public sealed record Family(string Name, FamilyKind Kind, string Help, IReadOnlyList<Sample> Samples);

public enum FamilyKind
{
    Counter,

    Gauge,

    Histogram,
}

/// <param name="Value">Of a counter or a gauge.</param>
/// <param name="Distribution">Of a histogram.</param>
public sealed record Sample(IReadOnlyList<Label> Labels, double Value, Distribution? Distribution = null);

public readonly record struct Label(string Name, string Value);

/// <summary>The counts of values between bounds.</summary>
/// <param name="Bounds">Upper bounds, ascending; the last count is of values above all of them.</param>
public sealed record Distribution(IReadOnlyList<double> Bounds, IReadOnlyList<long> Counts, double Sum)
{
    public long Count => Counts.Sum();
}
