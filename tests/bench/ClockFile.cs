using System.Globalization;

namespace Dts.Bench;

/// <summary>
/// A file to which the measured commands append the time by their own clock, and the plan time if their scheduler tells it. So the same
/// command measures every scheduler.
/// </summary>
internal sealed class ClockFile(string path)
{
    public const string PlanVariable = "DTS_PLAN_TIME"; // DTS sets it; others as far as they know the plan time.

    private const int PatienceMs = 2000; // For the last commands of a window.

    /// <summary>For bash, which reads the clock as soon as it is loaded: EPOCHREALTIME is a variable.</summary>
    public string Command { get; } = $"echo $EPOCHREALTIME ${PlanVariable} >>{path}";

    /// <summary>The lags of the commands that were due in [from, to): when all have started, or a while after the last plan time.</summary>
    public async Task<Lags> ReadSoonAsync(long from, long to, int expected, int patienceMs = PatienceMs)
    {
        await ClusterFigures.TimeIs(to + 200);
        for (var end = to + patienceMs; ; await Task.Delay(100))
        {
            List<double> lags = [.. Read(from, to).Select(start => start.At - start.Plan)];
            if (lags.Count >= expected || DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() > end)
            {
                return new Lags(lags, expected);
            }
        }
    }

    /// <summary>All starts that were due in [from, to), in milliseconds since 1970.</summary>
    /// <param name="period">The plan times of schedulers that do not tell them are the multiples of this.</param>
    public IEnumerable<(double Plan, double At)> Read(long from, long to, int period = 1000) =>
        from line in File.Exists(path) ? File.ReadAllLines(path) : []
        let words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        where words.Length > 0
        let at = Milliseconds(words[0])
        let plan = words.Length > 1 ? Milliseconds(words[1]) : Math.Floor(at / period) * period
        where plan >= @from && plan < to
        select (plan, at);

    private static double Milliseconds(string text) => text.Contains('T', StringComparison.Ordinal)
        ? DateTimeOffset.Parse(text, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds()
        : double.Parse(text, CultureInfo.InvariantCulture) * 1000;
}

/// <summary>How late the commands of one round started, and how many should have.</summary>
internal sealed record Lags(IReadOnlyList<double> Ms, int Expected)
{
    public double P50 => At(0.5);

    public double P99 => At(0.99);

    public double Max => At(1);

    /// <summary>Infinite if nothing started.</summary>
    private double At(double part) =>
        Ms.Count == 0 ? double.PositiveInfinity : Ms.Order().ElementAt(Math.Min((int)(Ms.Count * part), Ms.Count - 1));
}
