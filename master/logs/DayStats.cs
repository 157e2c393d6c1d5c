using System.Globalization;
using Dts.Common.Logs;

namespace Dts.Master.Logs;

/// <summary>Statistics of a job's runs of one day (UTC, by plan time).</summary>
/// <param name="Counts">
/// By key: a status's word, with the number of its planned fires; <c>dN</c> and <c>lN</c>, with the number of runs whose duration, or lag
/// behind the plan time, was in bucket N; and <c>max</c>, the longest duration in milliseconds.
/// </param>
internal sealed record DayStats(DateOnly Day, IReadOnlyDictionary<string, long> Counts)
{
    /// <summary>A percentile of durations ('d') or lags ('l') over several days, in milliseconds; null = there were no runs.</summary>
    /// <param name="share">0.5 for the median.</param>
    public static long? Percentile(IEnumerable<DayStats> days, char of, double share)
    {
        var buckets = BucketsOf(days, of);
        var left = (long)Math.Ceiling(buckets.Values.Sum() * share);
        foreach (var (bucket, count) in buckets)
        {
            left -= count;
            if (left <= 0)
            {
                return DayKeys.EndOf(bucket);
            }
        }

        return null;
    }

    /// <summary>The number of runs that durations ('d') or lags ('l') are known of.</summary>
    public static long CountOf(IEnumerable<DayStats> days, char of) => BucketsOf(days, of).Values.Sum();

    private static SortedDictionary<int, long> BucketsOf(IEnumerable<DayStats> days, char of)
    {
        var buckets = new SortedDictionary<int, long>();
        foreach (var (key, count) in days.SelectMany(day => day.Counts).Where(pair => pair.Key[0] == of && char.IsAsciiDigit(pair.Key[^1])))
        {
            var bucket = int.Parse(key[1..], CultureInfo.InvariantCulture);
            buckets[bucket] = buckets.GetValueOrDefault(bucket) + count;
        }

        return buckets;
    }
}
