using System.Globalization;

namespace Dts.Bench;

/// <summary>One quantity as it was measured: a value from each round.</summary>
internal sealed record Series(IReadOnlyList<double> Values)
{
    public double Median => Values.Order().ElementAt(Values.Count / 2);

    public string Spread => Values.Count > 1 ? $"{Figure.Text(Values.Min())}–{Figure.Text(Values.Max())}" : "";

    public static Series Of(params IEnumerable<double> values) => new([.. values]);

    /// <summary>This divided by another, round by round; if they have different numbers of rounds, one median by the other.</summary>
    public Series Over(Series other) => Values.Count == other.Values.Count
        ? Of(Values.Zip(other.Values, (ours, theirs) => ours / theirs))
        : Of(Median / other.Median);
}

/// <summary>What a figure should reach: a test of our median, the reference's median and the median ratio.</summary>
internal sealed record Bound(string Text, Func<double, double, double, bool> IsMet)
{
    /// <summary>Ours is less than the reference.</summary>
    public static Bound Ahead { get; } = new("ahead", (_, _, ratio) => ratio < 1);

    public static Bound AtMost(double most, string unit = "") => new($"≤ {Figure.Text(most)}{unit}", (ours, _, _) => ours <= most);

    public static Bound AtLeast(double least, string unit = "") => new($"≥ {Figure.Text(least)}{unit}", (ours, _, _) => ours >= least);

    public static Bound AtMostTimes(double most) => new($"≤ {Figure.Text(most)} ×", (_, _, ratio) => ratio <= most);

    public static Bound AtLeastTimes(double least) => new($"≥ {Figure.Text(least)} ×", (_, _, ratio) => ratio >= least);

    /// <summary>Ours is at most so much above the reference.</summary>
    public static Bound AtMostAbove(double most) =>
        new($"≤ {Figure.Text(most)} above it", (ours, theirs, _) => ours - theirs <= most);
}

/// <summary>
/// One row of the page: a figure of DTS, and a reference measured in the same run. A row may have several quantities, such as
/// p50, p99 and max; its target then holds for each of them.
/// </summary>
/// <param name="Name">The quantity with its unit: "saves/s, one client", "50 at a moment: p50 / p99, ms".</param>
internal sealed record Figure(string Name, params IReadOnlyList<Series> Ours)
{
    public const string Heading = "| | DTS | reference | DTS ÷ reference | target | met |\n|---|--:|--:|--:|--:|---|";

    /// <summary>What the reference is; empty = there is none.</summary>
    public string ReferenceName { get; init; } = "";

    /// <summary>A series for each of ours.</summary>
    public IReadOnlyList<Series> Reference { get; init; } = [];

    public Bound? Target { get; init; }

    /// <summary>The figure as a row below <see cref="Heading"/>.</summary>
    public string Row
    {
        get
        {
            Series[] ratios = [.. Ours.Zip(Reference, (ours, theirs) => ours.Over(theirs))];
            var reference = ReferenceName.Length > 0 ? $"{ReferenceName}: {Cell(Reference)}" : "";
            return $"| {Name} | {Cell(Ours)} | {reference} | {Cell(ratios)} | {Target?.Text} | {Met(ratios)} |";
        }
    }

    /// <summary>Adds the reference, with a series for each of ours.</summary>
    public Figure Beside(string name, params IReadOnlyList<Series> reference) => this with { ReferenceName = name, Reference = reference };

    public Figure Should(Bound target) => this with { Target = target };

    /// <summary>A number with three digits that count, or whole.</summary>
    public static string Text(double value) => value.ToString(
        Math.Abs(value) switch { >= 100 => "N0", >= 10 => "0.#", >= 1 => "0.##", _ => "0.###" }, CultureInfo.InvariantCulture);

    private static string Cell(IReadOnlyList<Series> quantities)
    {
        var medians = string.Join(" / ", quantities.Select(series => Text(series.Median)));
        var spreads = string.Join(" / ", quantities.Select(series => series.Spread).Where(spread => spread.Length > 0));
        return spreads.Length > 0 ? $"{medians} ({spreads})" : medians;
    }

    private string Met(Series[] ratios)
    {
        if (Target is not { } target)
        {
            return "";
        }

        var isMet = Ours.Select((ours, n) => n < ratios.Length
            ? target.IsMet(ours.Median, Reference[n].Median, ratios[n].Median)
            : target.IsMet(ours.Median, double.NaN, double.NaN));
        return isMet.All(met => met) ? "yes" : "**no**";
    }
}
