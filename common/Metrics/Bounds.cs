using System.Diagnostics.Metrics;

namespace Dts.Common.Metrics;

/// <summary>
/// The bounds of our histograms, in seconds. Workers send counts without bounds, so a change of bounds needs a new metric.
/// </summary>
public static class Bounds
{
    /// <summary>How late commands start.</summary>
    public static readonly double[] Lag = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

    /// <summary>How long runs take.</summary>
    public static readonly double[] Run = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400];

    /// <summary>How long a call to etcd or the log store takes.</summary>
    public static readonly double[] Call = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

    public static InstrumentAdvice<double> Advice(double[] bounds) => new() { HistogramBucketBoundaries = bounds };
}
