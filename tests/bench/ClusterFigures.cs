using System.Globalization;
using System.Text.RegularExpressions;

namespace Dts.Bench;

/// <summary>Starts by the logs of workers, and waits for their plan times.</summary>
internal static partial class ClusterFigures
{
    internal static IEnumerable<(string Job, string Plan, double LagMs)> ReadStarts(ClusterProcess worker, long first, long end) =>
        from line in File.ReadLines(worker.LogFile)
        let match = StartedLine().Match(line)
        where match.Success
        let plan = match.Groups[2].Value
        let planMs = DateTimeOffset.ParseExact(plan, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal)
            .ToUnixTimeMilliseconds()
        where planMs >= first && planMs < end
        select (match.Groups[1].Value, plan, Number(match.Groups[3].Value));

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>Waits for a time of the clock, which is what these figures are about.</summary>
    internal static async Task TimeIs(long unixMs)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() < unixMs)
        {
            await timer.WaitForNextTickAsync();
        }
    }

    // The record's startTime is the same moment in whole milliseconds; and a record that is written twice is one record.
    [GeneratedRegex(@"\[401\] (\S+) started for (\S+) as pid \d+, (-?[\d.]+) ms after its time")]
    private static partial Regex StartedLine();
}
