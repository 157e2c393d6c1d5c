using System.Globalization;
using System.Text.RegularExpressions;

namespace Dts.Bench;

/// <summary>Start, memory, idle load and size of the native executables, printed as Markdown.</summary>
internal static partial class ClusterFigures
{
    private const int IdleSeconds = 20;

    /// <summary>Start of a service, its memory, what an idle one costs, and sizes.</summary>
    public static async Task RunAsync(Effort effort)
    {
        Console.WriteLine(
            "| | jobs | ready, ms (best of 3) | RSS then (peak), MB | CPU of the start, ms | after a `/job/list` |\n"
                + "|---|--:|--:|--:|--:|--:|");
        foreach (var jobs in effort.Of<int[]>([100, 10_000], [100]))
        {
            await MeasureReadyAsync(jobs);
        }

        var seconds = effort.Of(IdleSeconds, 1);
        Console.WriteLine($"\n| idle for {seconds} s, no jobs | RSS (peak), MB | of a core |\n|---|--:|--:|");
        await MeasureIdleAsync(seconds);
        Console.WriteLine("\n| executable | MB |\n|---|--:|");
        foreach (var name in (string[])["dts-master", "dts-worker"])
        {
            Console.WriteLine($"| {name} | {new FileInfo(Path.Combine(ClusterHost.Bin, name)).Length / 1e6:F1} |");
        }
    }

    internal static IEnumerable<(string Job, string Plan, double LagMs)> ReadStarts(ClusterProcess worker, long first, long end) =>
        from line in File.ReadLines(worker.LogFile)
        let match = StartedLine().Match(line)
        where match.Success
        let plan = match.Groups[2].Value
        let planMs = DateTimeOffset.ParseExact(plan, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal)
            .ToUnixTimeMilliseconds()
        where planMs >= first && planMs < end
        select (match.Groups[1].Value, plan, Number(match.Groups[3].Value));

    private static async Task MeasureReadyAsync(int jobs)
    {
        using var host = await ClusterHost.StartAsync();
        await host.FillAsync(jobs);
        string? master = null, worker = null;
        var (bestMaster, bestWorker) = (TimeSpan.MaxValue, TimeSpan.MaxValue);
        for (var round = 1; round <= 3; round++)
        {
            var (process, ready) = await host.StartWorkerAsync($"w{round}");
            if (ready < bestWorker)
            {
                (bestWorker, worker) = (ready, $"| {process.DescribeMemory()} | {process.ReadCpu().Own * 1000:F0} | |");
            }

            host.End(process);
            (process, ready) = await host.StartMasterAsync();
            if (ready < bestMaster)
            {
                var start = $"| {process.DescribeMemory()} | {process.ReadCpu().Own * 1000:F0}";
                var listed = await host.ListJobsAsync();
                (bestMaster, master) = (ready, $"{start} | {listed.TotalMilliseconds:F0} ms, {process.DescribeMemory()} |");
            }

            host.End(process);
        }

        Console.WriteLine($"| worker | {jobs:N0} | {bestWorker.TotalMilliseconds:F0} {worker}");
        Console.WriteLine($"| master | {jobs:N0} | {bestMaster.TotalMilliseconds:F0} {master}");
    }

    private static async Task MeasureIdleAsync(int seconds)
    {
        using var host = await ClusterHost.StartAsync();
        (string Name, ClusterProcess Process)[] services =
        [
            ("worker", (await host.StartWorkerAsync("w1")).Worker),
            ("master", (await host.StartMasterAsync()).Master),
        ];
        var begin = services.Select(service => service.Process.ReadCpu().Own).ToList();
        await TimeIs(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + (seconds * 1000));
        foreach (var ((name, process), before) in services.Zip(begin))
        {
            Console.WriteLine($"| {name} | {process.DescribeMemory()} | {(process.ReadCpu().Own - before) / seconds:P2} |");
        }
    }

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

    internal sealed record Spread(double P50, double P99, double Max)
    {
        public static Spread Of(IEnumerable<double> values)
        {
            double[] sorted = [.. values.Order()];
            return new Spread(sorted[sorted.Length / 2], sorted[sorted.Length * 99 / 100], sorted[^1]);
        }

        public override string ToString() => $"{P50:F1} / {P99:F1} / {Max:F1}";
    }
}
