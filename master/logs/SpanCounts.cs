using Dts.Common.Jobs;

namespace Dts.Master.Logs;

/// <summary>How the runs of a span of time ended, counted.</summary>
/// <param name="IsWhole">False = the span has more records than may be read, and there are no counts.</param>
internal sealed record SpanCounts(IReadOnlyList<EndingCount> Counts, bool IsWhole)
{
    public static SpanCounts TooMany { get; } = new([], IsWhole: false);
}

/// <param name="At">The start of the time that is counted, in milliseconds since the epoch.</param>
internal sealed record EndingCount(long At, RunStatus Status, long Count);
