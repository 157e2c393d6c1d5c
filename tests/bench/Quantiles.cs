namespace Dts.Bench;

/// <summary>p50, p99 and such of many values.</summary>
internal static class Quantiles
{
    /// <param name="percents">100 is the largest value.</param>
    public static Series[] Of(IEnumerable<double> values, params IEnumerable<int> percents)
    {
        double[] sorted = [.. values.Order()];
        return [.. percents.Select(percent => Series.Of(sorted[Math.Min(sorted.Length * percent / 100, sorted.Length - 1)]))];
    }
}
