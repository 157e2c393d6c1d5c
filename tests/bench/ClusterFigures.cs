using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Dts.Bench;

/// <summary>The published figures of the native executables, printed as Markdown.</summary>
internal static partial class ClusterFigures
{
    private const int Seconds = 60;
    private const int IdleSeconds = 20;
    private const int Rounds = 60;
    private const string OwnClock = "echo $EPOCHREALTIME"; // A bash variable: the shell reads the clock as soon as it can.

    public static async Task RunAsync()
    {
        Console.WriteLine($"{await ClusterMachine.DescribeAsync()}\n");
        Console.WriteLine($"## Start, ms after the plan time: jobs `* * * * * *` on two workers for {Seconds} s\n");
        Console.WriteLine(
            "| | fires | doubled | missing | worker's clock p50 / p99 / max | command's clock p50 / p99 / max "
                + "| that ÷ no scheduler, p50 / p99 | CPU ms a fire: workers / commands | others' CPU |");
        Console.WriteLine("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
        foreach (var jobs in (int[])[2, 50])
        {
            var floor = await MeasureFloorAsync(jobs / 2);
            Console.WriteLine($"| no scheduler: 2 shell loops of {jobs / 2} × `bash -c … &` | {jobs * Rounds} | | | | {floor} | | | |");
            Console.WriteLine(await MeasureStartsAsync(jobs, "true", floor));
            Console.WriteLine(await MeasureStartsAsync(jobs, OwnClock, floor));
        }

        Console.WriteLine("\n## Start of a service, and its memory\n");
        Console.WriteLine(
            "| | jobs | ready, ms (best of 3) | RSS then (peak), MB | CPU of the start, ms | after a `/job/list` |\n"
                + "|---|--:|--:|--:|--:|--:|");
        foreach (var jobs in (int[])[100, 10_000])
        {
            await MeasureReadyAsync(jobs);
        }

        Console.WriteLine($"\n## Idle for {IdleSeconds} s, no jobs\n");
        Console.WriteLine("| | RSS (peak), MB | of a core |\n|---|--:|--:|");
        await MeasureIdleAsync();
        Console.WriteLine("\n## Size\n\n| | MB |\n|---|--:|");
        foreach (var name in (string[])["dts-master", "dts-worker"])
        {
            Console.WriteLine($"| {name} | {new FileInfo(Path.Combine(ClusterHost.Bin, name)).Length / 1e6:F1} |");
        }

        Console.WriteLine();
    }

    private static async Task<string> MeasureStartsAsync(int jobs, string command, Spread floor)
    {
        await ClusterMachine.CalmAsync();
        using var host = await ClusterHost.StartAsync();
        await host.StartMasterAsync();
        ClusterProcess[] workers = [(await host.StartWorkerAsync("w1")).Worker, (await host.StartWorkerAsync("w2")).Worker];
        string[] names = [.. Enumerable.Range(0, jobs).Select(n => $"job-{n}")];
        foreach (var name in names)
        {
            await host.SaveAsync(name, command);
        }

        var from = (DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 3) * 1000;
        var to = from + (Seconds * 1000);
        await TimeIs(from - 500);
        var (own, commands, all, everybody) = ReadCpu();
        await TimeIs(to - 500);
        (own, commands, all, everybody) = (
            ReadCpu().Own - own, ReadCpu().Commands - commands, ReadCpu().All - all, ReadCpu().Everybody - everybody);

        var recorded = await ReadRecordsAsync(host, names, from, to);
        var starts = workers.SelectMany(worker => ReadStarts(worker, from, to)).ToList();
        var distinct = starts.DistinctBy(start => (start.Job, start.Plan)).Count();
        var byCommand = command == OwnClock
            ? Spread.Of(recorded.Select(record => (Number((string)record["output"]!) * 1000) - Plan(record)))
            : null;
        var ratio = byCommand is null ? "" : $"{byCommand.P50 / floor.P50:F2} / {byCommand.P99 / floor.P99:F2}";
        return $"| {jobs} jobs, `{command}` | {recorded.Count} | {starts.Count - distinct} | {(jobs * Seconds) - recorded.Count} "
            + $"| {Spread.Of(starts.Select(start => start.LagMs))} | {byCommand} | {ratio} "
            + $"| {own * 1000 / distinct:F1} / {commands * 1000 / distinct:F1} | {(everybody - all) / Seconds * 100:F0} % |";

        (double Own, double Commands, double All, double Everybody) ReadCpu() => (
            workers.Sum(worker => worker.ReadCpu().Own),
            workers.Sum(worker => worker.ReadCpu().Children),
            host.ReadCpu(),
            ClusterMachine.ReadBusy());
    }

    /// <summary>The records of the runs that succeeded, when all are there or ten seconds have passed.</summary>
    private static async Task<List<JsonNode>> ReadRecordsAsync(ClusterHost host, string[] jobs, long from, long to)
    {
        var records = new List<JsonNode>();
        for (var now = to; now <= to + 10_000 && records.Count < jobs.Length * Seconds; now += 1000)
        {
            await TimeIs(now + 1000);
            records.Clear();
            foreach (var job in jobs)
            {
                var log = await host.ReadLogAsync(job);
                records.AddRange(
                    log
                        .OfType<JsonNode>()
                        .Where(record => Plan(record) >= from && Plan(record) < to && (string)record["status"]! == "succeeded"));
            }
        }

        return records;
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

    /// <summary>The same commands without any scheduler: two shell loops that start them in the background, one after the other.</summary>
    private static async Task<Spread> MeasureFloorAsync(int each)
    {
        await ClusterMachine.CalmAsync();
        var script = $$"""
            for ((round = 0; round < {{Rounds}}; round++)); do
                t=$EPOCHREALTIME
                for loop in 1 2; do
                    (for ((n = 0; n < {{each}}; n++)); do /bin/bash -c "echo $t \$EPOCHREALTIME" & done; wait) &
                done
                wait
                sleep 0.3
            done
            """;
        using var bash = Process.Start(new ProcessStartInfo("/bin/bash", ["-c", script]) { RedirectStandardOutput = true })!;
        var lines = (await bash.StandardOutput.ReadToEndAsync())
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' '));
        await bash.WaitForExitAsync();
        return Spread.Of(lines.Select(line => (Number(line[1]) - Number(line[0])) * 1000));
    }

    private static async Task MeasureReadyAsync(int jobs)
    {
        await ClusterMachine.CalmAsync();
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

    private static async Task MeasureIdleAsync()
    {
        await ClusterMachine.CalmAsync();
        using var host = await ClusterHost.StartAsync();
        (string Name, ClusterProcess Process)[] services =
        [
            ("worker", (await host.StartWorkerAsync("w1")).Worker),
            ("master", (await host.StartMasterAsync()).Master),
        ];
        var begin = services.Select(service => service.Process.ReadCpu().Own).ToList();
        await TimeIs(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + (IdleSeconds * 1000));
        foreach (var ((name, process), before) in services.Zip(begin))
        {
            Console.WriteLine($"| {name} | {process.DescribeMemory()} | {(process.ReadCpu().Own - before) / IdleSeconds:P2} |");
        }
    }

    private static long Plan(JsonNode record) => (long)record["planTime"]!;

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
