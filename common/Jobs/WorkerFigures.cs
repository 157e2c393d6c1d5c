using Dts.Common.Metrics;

namespace Dts.Common.Jobs;

/// <summary>A worker's measurements since its start. Its registration carries them to the masters, which show them to Prometheus.</summary>
/// <param name="Ended">Runs by the word of their status.</param>
/// <param name="Lag">Counts between <see cref="Bounds.Lag"/>.</param>
/// <param name="Took">Counts between <see cref="Bounds.Run"/>.</param>
/// <param name="Etcd">Counts between <see cref="Bounds.Call"/>; so <paramref name="Store"/>.</param>
/// <param name="Running">Running commands.</param>
/// <param name="Spool">Records that wait for the log store.</param>
/// <param name="Refused">Records that the log store refused, kept on the host.</param>
public sealed record WorkerFigures(
    IReadOnlyDictionary<string, long> Ended,
    Counted? Lag = null,
    Counted? Took = null,
    Counted? Etcd = null,
    Counted? Store = null,
    int Running = 0,
    long Spool = 0,
    long Refused = 0);

/// <summary>The counts of a histogram, without the bounds, which both sides know.</summary>
public sealed record Counted(IReadOnlyList<long> Counts, double Sum)
{
    public static Counted? Of(Distribution? distribution) =>
        distribution is null ? null : new Counted(distribution.Counts, Math.Round(distribution.Sum, 6));

    /// <summary>Null = it comes from a version with other bounds.</summary>
    public Distribution? With(double[] bounds) => Counts.Count == bounds.Length + 1 ? new Distribution(bounds, Counts, Sum) : null;
}
