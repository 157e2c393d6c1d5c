using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;
using Dts.Master.Views;
using Dts.Worker.Logs;
using Google.Protobuf;

namespace Dts.Bench;

/// <summary>
/// How quick lists are that come from the view, and what the view takes of memory. <c>make bench ARGS="lists 10000 1000000"</c>
/// </summary>
internal static class ListsFigures
{
    private const int RequestsPerSecond = 100;
    private const int Seconds = 10;
    private const int BatchSize = 5000;
    private const int JobsInView = 100_000;

    private static readonly string[] Paths =
    [
        "jobs",
        "jobs?limit=1000",
        "jobs?sort=-last",
        "jobs?sort=state",
        "jobs?filter=state:failing",
        "jobs?filter=hourly-99%20-state:paused",
        "jobs?sort=next&filter=next:%3C1h",
        "now",
        "workers",
    ];

    public static async Task RunAsync(int jobs, long runs)
    {
        Console.WriteLine($"{Environment.ProcessorCount} cores, {DateTimeOffset.UtcNow:yyyy-MM-dd HH:mm} UTC\n");
        foreach (var endings in new[] { 0, 10, 20 })
        {
            Console.WriteLine(
                $"view of {JobsInView:N0} jobs with {endings} endings each: {BytesPerJob(endings):N0} bytes a job beyond its texts");
        }

        using var host = await ClusterHost.StartAsync();
        await host.FillAsync(jobs);
        await WriteRunsAsync(host.LogFile, jobs, runs);
        var (master, _) = await host.StartMasterAsync();
        var sinceListening = Stopwatch.StartNew();
        while (await CountUnknownAsync(host) is not 0)
        {
            await Task.Delay(100);
        }

        Console.WriteLine(Invariant(
            $"\n{jobs:N0} jobs, {runs:N0} runs in SQLite: all endings known {sinceListening.Elapsed.TotalSeconds:F1} s after the start\n"));
        Console.WriteLine(
            $"| {RequestsPerSecond} requests a second | p50, ms | p99, ms | longest | CPU of the master |\n|---|--:|--:|--:|--:|");
        foreach (var path in Paths)
        {
            await AskAsync(host, master, path, seconds: 2); // The first ones pay for what is loaded with them.
            var (times, cpu) = await AskAsync(host, master, path, Seconds);
            Console.WriteLine(Invariant(
                $"| `{path}` | {times[times.Length / 2]:F2} | {times[times.Length * 99 / 100]:F2} | {times[^1]:F1} | {cpu:P0} |"));
        }
    }

    /// <summary>Asks at a steady rate, whether answers come or not; returns the times to the whole answer in order.</summary>
    private static async Task<(double[] Times, double Cpu)> AskAsync(ClusterHost host, ClusterProcess master, string path, int seconds)
    {
        var before = master.ReadCpu().Own;
        var watch = Stopwatch.StartNew();
        var asked = new List<Task<double>>();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (asked.Count < seconds * RequestsPerSecond)
        {
            while (asked.Count <= watch.Elapsed.TotalSeconds * RequestsPerSecond && asked.Count < seconds * RequestsPerSecond)
            {
                asked.Add(TimeAsync(host, path));
            }

            await timer.WaitForNextTickAsync();
        }

        double[] times = [.. (await Task.WhenAll(asked)).Order()];
        return (times, (master.ReadCpu().Own - before) / watch.Elapsed.TotalSeconds);
    }

    private static async Task<double> TimeAsync(ClusterHost host, string path)
    {
        var watch = Stopwatch.StartNew();
        try
        {
            await host.GetAsync($"/api/v1/{path}");
            return watch.Elapsed.TotalMilliseconds;
        }
        catch (HttpRequestException)
        {
            return double.PositiveInfinity; // It has failed, which is worse than any time.
        }
    }

    private static async Task<int?> CountUnknownAsync(ClusterHost host)
    {
        try
        {
            return (int?)JsonNode.Parse(await host.GetAsync("/api/v1/now"))!["counts"]!["unknown"];
        }
        catch (HttpRequestException)
        {
            return null; // The view is not read yet.
        }
    }

    /// <summary>Runs of all jobs in turn, the latest of them just now.</summary>
    private static async Task WriteRunsAsync(string file, int jobs, long runs)
    {
        using var log = new SqliteLogWriter(file);
        var now = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        for (var from = 0L; from < runs; from += BatchSize)
        {
            await log.WriteAsync(
                [.. Enumerable.Range(0, (int)Math.Min(BatchSize, runs - from)).Select(n => Record(from + n))], CancellationToken.None);
        }

        RunRecord Record(long n)
        {
            var (job, planTime) = ($"hourly-{n % jobs}", now.AddHours(-((runs - 1 - n) / jobs)));
            var (ms, status) = (planTime.ToUnixTimeMilliseconds(), n % 37 == 0 ? RunStatus.Failed : RunStatus.Succeeded);
            return new RunRecord(
                job, "true", status == RunStatus.Failed ? "exit status 1" : "", "hello\n", ms, ms - 1100, ms + 1, ms + 1 + (n % 5000),
                $"{job}/{RunId.Of(planTime)}", status, Worker: $"worker-{n % 5}", Host: "host", OutputBytes: 6,
                ExpireAt: now.AddDays(3650));
        }
    }

    /// <summary>What the view and the table of its watch hold; the texts of name, command and key are left out.</summary>
    private static long BytesPerJob(int endings)
    {
        var keys = new Keys(Keys.DefaultPrefix);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var state = new ClusterState(keys, CronZone.Utc);
        var delivered = new Dictionary<ByteString, long>(); // As Watch has it.
        var (texts, now) = (0L, DateTimeOffset.UtcNow);
        for (var n = 0; n < JobsInView; n++)
        {
            var job = new Job($"hourly-{n}", $"/usr/local/bin/backup --number {n}", $"{n % 60} * * * *");
            var put = new KeyChange.Put(keys.Jobs + job.Name, n, n, default, ByteString.CopyFromUtf8(JobJson.ToJson(job)));
            delivered[ByteString.CopyFromUtf8(put.Key)] = n;
            state.ApplyJobs([put]);
            texts += (2 * (job.Name.Length + job.Command.Length)) + put.Key.Length;
        }

        while (state.Questions.Next(now) is { } question)
        {
            var found = ((EndingQuestion.Jobs)question).Names.SelectMany(job => Enumerable.Range(0, endings).Select(n => Ended(job, n)));
            state.Answer(question, [.. found], now);
        }

        var held = GC.GetTotalMemory(forceFullCollection: true) - before;
        GC.KeepAlive(state);
        GC.KeepAlive(delivered);
        return (held - texts) / JobsInView;

        EndedRun Ended(string job, int n)
        {
            var ms = now.AddHours(n - endings).ToUnixTimeMilliseconds() / 1000 * 1000;
            var runId = RunId.Of(DateTimeOffset.FromUnixTimeMilliseconds(ms));
            return new EndedRun(job, runId, RunStatus.Succeeded, ms, ms + (n % 1000), ms + 60_000 + (n * 777), "worker-1", "");
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
