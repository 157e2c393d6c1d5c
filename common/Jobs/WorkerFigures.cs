using Dts.Common.Metrics;

namespace Dts.Common.Jobs;

/// <summary>What a worker has measured since its start: its registration carries it to the masters, which show it to Prometheus.</summary>
/// <param name="Ended">Runs by the word of their status.</param>
/// <param name="Lag">Counts between <see cref="Bounds.Lag"/>.</param>
/// <param name="Took">Counts between <see cref="Bounds.Run"/>.</param>
/// <param name="Etcd">Counts between <see cref="Bounds.Call"/>; so <paramref name="Store"/>.</param>
/// <param name="Running">Commands that run.</param>
/// <param name="Spool">Records that wait for the log store.</param>
/// <param name="Refused">Records that the log store refuses, kept on this host.</param>
public sealed record WorkerFigures(
    IReadOnlyDictionary<string, long> Ended,
    Counted? Lag = null,
    Counted? Took = null,
    Counted? Etcd = null,
    Counted? Store = null,
    int Running = 0,
    long Spool = 0,
    long Refused = 0);

/// <summary>A histogram without its bounds, which both sides know.</summary>
public sealed record Counted(IReadOnlyList<long> Counts, double Sum)
{
    public static Counted? Of(Distribution? distribution) =>
        distribution is null ? null : new Counted(distribution.Counts, Math.Round(distribution.Sum, 6));

    /// <summary>Null = it is of a version that has other bounds.</summary>
    public Distribution? With(double[] bounds) => Counts.Count == bounds.Length + 1 ? new Distribution(bounds, Counts, Sum) : null;
}
