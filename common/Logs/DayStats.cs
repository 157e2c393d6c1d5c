using Dts.Common.Jobs;

namespace Dts.Common.Logs;

/// <summary>What a job's runs of one day (UTC, by plan time) came to.</summary>
/// <param name="Counts">
/// By key: a status's word, with the number of its planned fires; <c>dN</c> and <c>lN</c>, with the number of runs whose duration, or lag
/// behind the plan time, was in bucket N; and <c>max</c>, the longest duration in milliseconds.
/// </param>
public sealed record DayStats(DateOnly Day, IReadOnlyDictionary<string, long> Counts)
{
    public const string Longest = "max";

    private const int BucketsPerDoubling = 4; // So a percentile is at most a fifth too high.

    /// <summary>What a record adds to the counts of its day; <see cref="Longest"/> is not added but compared.</summary>
    internal static IEnumerable<(string Key, long Count)> Of(RunRecord record)
    {
        yield return (record.Status.Word(), Math.Max(1, record.MissedCount));
        if (record.Status is RunStatus.Succeeded or RunStatus.Failed or RunStatus.TimedOut or RunStatus.Killed)
        {
            yield return ($"d{Bucket(record.EndTime - record.StartTime)}", 1);
            yield return (Longest, record.EndTime - record.StartTime);
            if (record.Trigger == Dts.Common.Jobs.RunSpec.Schedule)
            {
                yield return ($"l{Bucket(record.StartTime - record.PlanTime)}", 1);
            }
        }
    }

    internal static DateOnly DayOf(RunRecord record) =>
        DateOnly.FromDateTime(DateTimeOffset.FromUnixTimeMilliseconds(record.PlanTime).UtcDateTime);

    /// <summary>A percentile of durations ('d') or lags ('l') over several days, in milliseconds; null = there were no runs.</summary>
    /// <param name="share">0.5 for the median.</param>
    public static long? Percentile(IEnumerable<DayStats> days, char of, double share)
    {
        var buckets = new SortedDictionary<int, long>();
        foreach (var (key, count) in days.SelectMany(day => day.Counts).Where(pair => pair.Key[0] == of && char.IsAsciiDigit(pair.Key[^1])))
        {
            var bucket = int.Parse(key[1..], System.Globalization.CultureInfo.InvariantCulture);
            buckets[bucket] = buckets.GetValueOrDefault(bucket) + count;
        }

        var left = (long)Math.Ceiling(buckets.Values.Sum() * share);
        foreach (var (bucket, count) in buckets)
        {
            left -= count;
            if (left <= 0)
            {
                return UpperEnd(bucket);
            }
        }

        return null;
    }

    private static int Bucket(long milliseconds) => (int)Math.Floor(BucketsPerDoubling * Math.Log2(Math.Max(milliseconds, 0) + 1));

    private static long UpperEnd(int bucket) => (long)Math.Ceiling(Math.Pow(2, (bucket + 1.0) / BucketsPerDoubling)) - 1;
}
