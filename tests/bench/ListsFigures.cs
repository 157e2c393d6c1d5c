using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Worker.Logs;

namespace Dts.Bench;

/// <summary>
/// How quick lists and searches are, and what the view and followers take of memory. <c>make bench ARGS="lists 10000 1000000"</c>
/// </summary>
internal static class ListsFigures
{
    private const int RequestsPerSecond = 100;
    private const int BatchSize = 5000;

    private static readonly string[] Paths =
    [
        "jobs",
        "jobs?limit=200",
        "jobs?sort=-last",
        "jobs?sort=state",
        "jobs?filter=state:failing",
        "jobs?filter=hourly-99%20-state:paused",
        "jobs?sort=next&filter=next:%3C1h",
        "now",
        "workers",
        "schedule?from=DAY0&to=DAY1",
        "runs",
        "runs?filter=ending:failed",
        "runs?filter=job:hourly-7",
        "runs?filter=worker:worker-3",
        "runs?filter=worker:worker-3%20ending:failed%20from:1d",
        "runs?filter=nowhere",
        "runs?filter=nowhere%20from:1d",
        "jobs/hourly-7/ledger?from=DAY-1&to=DAY0",
        "jobs/hourly-7/stats?days=7",
    ];

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        var (jobs, runs) = (effort.Argument(0, 10_000, 20), effort.Argument(1, 1_000_000, 200));
        var inView = effort.Of(100_000, 1_000);
        using var host = await ClusterHost.StartAsync();
        await host.FillAsync(jobs);
        await WriteRunsAsync(host.LogFile, jobs, runs);
        var (master, _) = await host.StartMasterAsync();
        var watch = Stopwatch.StartNew();
        while (await CountUnknownAsync(host) is not 0)
        {
            await Task.Delay(100);
        }

        List<Figure> figures = [new Figure("all jobs' latest endings known, s after the start", Series.Of(watch.Elapsed.TotalSeconds))];
        foreach (var path in Paths.Select(WithDays))
        {
            await AskAsync(host, master, path, effort.Of(2, 0.2)); // The first ones pay for what is loaded with them.
            var (times, cpu) = await AskAsync(host, master, path, effort.Of(10, 0.2));
            figures.Add(new Figure(
                $"`{path}`: p50 / p99 / longest, ms / CPU, %", [.. Quantiles.Of(times, 50, 99, 100), Series.Of(cpu * 100)]));
        }

        figures.AddRange(effort.Of<int[]>([0, 10, 20], [1]).Select(endings => new Figure(
            $"view of {inView:N0} jobs with {endings} endings each, bytes a job beyond its texts",
            Series.Of(ViewMemory.BytesPerJob(inView, endings)))));
        figures.AddRange(await FollowAsync(host, master, effort));
        return new Findings(
            figures,
            $"""
            A master with {jobs:N0} jobs and {runs:N0} runs in the embedded log, asked {RequestsPerSecond} times a second, whether answers
            come or not; ∞ stands for requests that it refused. A search that the log's indexes cannot answer (`nowhere` is a text that no
            run has) looks at 2,000 runs for a page and says how far it has come.
            """);
    }

    /// <summary>Memory and threads of a master whose readers follow one run's output.</summary>
    private static async Task<IEnumerable<Figure>> FollowAsync(ClusterHost host, ClusterProcess master, Effort effort)
    {
        var followers = effort.Of(200, 5);
        await host.StartWorkerAsync("worker-0");
        await host.SaveAsync("follow", "for i in $(seq 60); do echo line $i; sleep 1; done");
        var (before, threadsBefore) = master.ReadMemoryAndThreads();
        JsonNode? run;
        while ((run = JsonNode.Parse(await host.GetAsync("/api/v1/now"))!["running"]!.AsArray()
            .FirstOrDefault(row => (string?)row!["jobName"] == "follow")) is null)
        {
            await Task.Delay(100);
        }

        var streams = await Task.WhenAll(Enumerable.Range(0, followers).Select(_ =>
            host.StreamAsync($"/api/v1/runs/follow/{run["runId"]}/output?follow=true")));
        var buffer = new byte[4096];
        foreach (var stream in streams)
        {
            await stream.ReadExactlyAsync(buffer.AsMemory(0, 20));
        }

        var (most, threads) = (0d, 0);
        for (var second = 0; second < effort.Of(10, 1); second++)
        {
            await Task.Delay(1000);
            var now = master.ReadMemoryAndThreads();
            (most, threads) = (Math.Max(most, now.Megabytes), Math.Max(threads, now.Threads));
        }

        Array.ForEach(streams, stream => stream.Dispose());
        return
        [
            new Figure($"{followers} followers of a run's output, MB more", Series.Of(most - before)),
            new Figure("and threads more", Series.Of(threads - threadsBefore)),
        ];
    }

    private static string WithDays(string path)
    {
        var today = DateTime.UtcNow.Date;
        return path.Replace("DAY-1", Day(-1), StringComparison.Ordinal).Replace("DAY0", Day(0), StringComparison.Ordinal)
            .Replace("DAY1", Day(1), StringComparison.Ordinal);

        string Day(int after) => today.AddDays(after).ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
    }

    /// <summary>Asks at a steady rate, whether answers come or not; returns the times to the whole answer in order.</summary>
    private static async Task<(double[] Times, double Cpu)> AskAsync(ClusterHost host, ClusterProcess master, string path, double seconds)
    {
        var before = master.ReadCpu().Own;
        var watch = Stopwatch.StartNew();
        var (asked, requests) = (new List<Task<double>>(), (int)(seconds * RequestsPerSecond));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (asked.Count < requests)
        {
            while (asked.Count <= watch.Elapsed.TotalSeconds * RequestsPerSecond && asked.Count < requests)
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
            var (job, planTime) = ($"hourly-{n % jobs}", now.AddSeconds(-(runs - 1 - n) * 3600 / jobs));
            var (ms, status) = (planTime.ToUnixTimeMilliseconds(), n % 37 == 0 ? RunStatus.Failed : RunStatus.Succeeded);
            return new RunRecord(
                job, "true", status == RunStatus.Failed ? "exit status 1" : "", "hello\n",
                ms, ms - 1100, ms + 1 + (n % 900), ms + 1 + (n % 900) + (n % 5000),
                $"{job}/{RunId.Of(planTime)}", status, Worker: $"worker-{n % 5}", Host: "host", OutputBytes: 6,
                ExpireAt: now.AddDays(3650));
        }
    }
}
