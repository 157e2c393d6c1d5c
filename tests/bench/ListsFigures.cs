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
/// How quick lists and searches are, what the view and followers take of memory, and how long a set of jobs takes.
/// <c>make bench ARGS="lists 10000 1000000"</c>
/// </summary>
internal static class ListsFigures
{
    private const int RequestsPerSecond = 100;
    private const int Seconds = 10;
    private const int BatchSize = 5000;
    private const int JobsInView = 100_000;
    private const int JobsInSet = 1000;
    private const int Rounds = 3;
    private const int Followers = 200;

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
        foreach (var template in Paths)
        {
            (var path, s_failure) = (WithDays(template), "");
            await AskAsync(host, master, path, seconds: 2); // The first ones pay for what is loaded with them.
            var (times, cpu) = await AskAsync(host, master, path, Seconds);
            Console.WriteLine(Invariant(
                $"| `{path}` {s_failure} | {At(times, 0.5):F2} | {At(times, 0.99):F2} | {times[^1]:F1} | {cpu:P0} |"));
        }

        for (var round = 0; round < Rounds; round++)
        {
            await ApplyAsync(host, round);
        }

        await FollowAsync(host, master);
    }

    private static string s_failure = "";

    private static double At(double[] sorted, double part) => sorted[(int)(sorted.Length * part)];

    private static async Task ApplyAsync(ClusterHost host, int round)
    {
        var set = string.Join('\n', Enumerable.Range(1, JobsInSet - 1).Select(n =>
            $$"""{"name":"set {{round}} {{n}}","then":["{{Next(n)}}"],"command":"true","cronExpr":"{{n % 60}} 3 * * *"}""")
            .Append($$"""{"name":"set {{round}} {{JobsInSet}}","command":"true","cronExpr":"@daily"}"""));
        var watch = Stopwatch.StartNew();
        await host.PostAsync("/api/v1/apply", set);
        Console.WriteLine(Invariant($"apply of {JobsInSet:N0} new jobs: {watch.Elapsed.TotalSeconds:F2} s"));

        string Next(int n) => $"set {round} {(n + JobsInSet + 1) / 2}";
    }

    /// <summary>Memory and threads of a master whose readers follow one run's output.</summary>
    private static async Task FollowAsync(ClusterHost host, ClusterProcess master)
    {
        await host.StartWorkerAsync("worker-0");
        await host.SaveAsync("follow", "for i in $(seq 60); do echo line $i; sleep 1; done");
        var (before, threadsBefore) = master.ReadMemoryAndThreads();
        JsonNode? run;
        while ((run = JsonNode.Parse(await host.GetAsync("/api/v1/now"))!["running"]!.AsArray()
            .FirstOrDefault(row => (string?)row!["jobName"] == "follow")) is null)
        {
            await Task.Delay(100);
        }

        var streams = await Task.WhenAll(Enumerable.Range(0, Followers).Select(_ =>
            host.StreamAsync($"/api/v1/runs/follow/{run["runId"]}/output?follow=true")));
        var buffer = new byte[4096];
        foreach (var stream in streams)
        {
            await stream.ReadExactlyAsync(buffer.AsMemory(0, 20));
        }

        var (most, threads) = (0d, 0);
        for (var second = 0; second < Seconds; second++)
        {
            await Task.Delay(1000);
            var now = master.ReadMemoryAndThreads();
            (most, threads) = (Math.Max(most, now.Megabytes), Math.Max(threads, now.Threads));
        }

        Console.WriteLine(Invariant($"{Followers} followers: {most - before:F1} MB and {threads - threadsBefore} threads more"));
        Array.ForEach(streams, stream => stream.Dispose());
    }

    private static string WithDays(string path)
    {
        var today = DateTime.UtcNow.Date;
        return path.Replace("DAY-1", Day(-1), StringComparison.Ordinal).Replace("DAY0", Day(0), StringComparison.Ordinal)
            .Replace("DAY1", Day(1), StringComparison.Ordinal);

        string Day(int after) => today.AddDays(after).ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
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
        catch (HttpRequestException failure)
        {
            s_failure = failure.Message;
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

        while (state.EndingQueries.Next(now) is { } question)
        {
            var found = ((EndingQuery.Jobs)question).Names.SelectMany(job => Enumerable.Range(0, endings).Select(n => Ended(job, n)));
            state.Endings.Take(question, [.. found], now);
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
