using Dts.Common.Jobs;

namespace Dts.Master.Logs;

/// <summary>The runs of a span, counted by interval and ending: those that a list with the same query shows.</summary>
/// <param name="StepSeconds">The length of an interval.</param>
/// <param name="Since">The counts are complete from here on; later than the span's start if it has too many runs to read.</param>
/// <param name="Times">The oldest interval first; intervals without runs are left out.</param>
internal sealed record RunCounts(int StepSeconds, DateTimeOffset Since, long Total, IReadOnlyList<TimeCount> Times)
{
    /// <summary>How many intervals a span may have.</summary>
    public const int TimesMax = 2000;

    /// <summary>How many records are read for an answer that an index alone does not have.</summary>
    public const int RecordsMax = 250_000;

    /// <remarks>Goes back from the end in growing spans, so that the latest intervals are counted if there is too much to count.</remarks>
    public static async Task<RunCounts> ReadAsync(
        ILogReader store, LogQuery query, DateTimeOffset from, DateTimeOffset until, TimeSpan step, CancellationToken cancel)
    {
        var (counts, left, since) = (new List<EndingCount>(), RecordsMax, until);
        for (var steps = 1; since > from;)
        {
            var begin = Floor(since.AddTicks(-1), step) - (step * (steps - 1));
            begin = begin > from ? begin : from;
            var counted = await store.CountAsync(query with { From = begin, Until = since }, step, Math.Max(left, 0), cancel);
            if (!counted.IsWhole && steps == 1)
            {
                break;
            }

            if (counted.IsWhole)
            {
                counts.AddRange(counted.Counts);
                left -= (int)Math.Min(counted.Counts.Sum(count => count.Count), RecordsMax);
                since = begin;
            }

            steps = counted.IsWhole ? steps * 2 : 1;
        }

        return new RunCounts(
            (int)step.TotalSeconds,
            since,
            counts.Sum(count => count.Count),
            [
                .. counts.GroupBy(count => count.At).OrderBy(same => same.Key).Select(same => new TimeCount(
                    DateTimeOffset.FromUnixTimeMilliseconds(same.Key),
                    same.GroupBy(count => count.Status).OrderBy(ending => ending.Key)
                        .ToDictionary(ending => ending.Key.Word(), ending => ending.Sum(count => count.Count)))),
            ]);
    }

    private static DateTimeOffset Floor(DateTimeOffset at, TimeSpan step)
    {
        var since = at - DateTimeOffset.UnixEpoch;
        return DateTimeOffset.UnixEpoch + TimeSpan.FromTicks(since.Ticks / step.Ticks * step.Ticks);
    }
}

/// <param name="At">The start of the interval, a multiple of the step.</param>
/// <param name="Endings">The number of runs by the ending's word; endings without any are left out.</param>
internal sealed record TimeCount(DateTimeOffset At, IReadOnlyDictionary<string, long> Endings);

/// <summary>The runs of a span, counted by ending.</summary>
/// <param name="IsWhole">False = the span has more records than may be read, and there are no counts.</param>
internal sealed record SpanCounts(IReadOnlyList<EndingCount> Counts, bool IsWhole)
{
    public static SpanCounts TooMany { get; } = new([], IsWhole: false);
}

/// <param name="At">The start of the interval, in milliseconds since the epoch.</param>
internal sealed record EndingCount(long At, RunStatus Status, long Count);
