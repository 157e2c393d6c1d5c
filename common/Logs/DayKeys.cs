using System.Globalization;

namespace Dts.Common.Logs;

/// <summary>How days and durations are named in the counts of a job's day, by those who write and those who read them.</summary>
internal static class DayKeys
{
    /// <summary>The longest duration of the day: a later one is not added but compared.</summary>
    public const string Longest = "max";

    private const int BucketsPerDoubling = 4; // So a percentile is at most a fifth too high.
    private const string Format = "yyyy-MM-dd";

    public static string TextOf(DateOnly day) => day.ToString(Format, CultureInfo.InvariantCulture);

    public static DateOnly DayOf(string text) => DateOnly.ParseExact(text, Format, CultureInfo.InvariantCulture);

    public static int BucketOf(long milliseconds) => (int)Math.Floor(BucketsPerDoubling * Math.Log2(Math.Max(milliseconds, 0) + 1));

    /// <summary>The longest duration that is in a bucket.</summary>
    public static long EndOf(int bucket) => (long)Math.Ceiling(Math.Pow(2, (bucket + 1.0) / BucketsPerDoubling)) - 1;
}
