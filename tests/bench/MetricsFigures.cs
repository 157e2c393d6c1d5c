using System.Diagnostics;
using System.Globalization;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>
/// What metrics and traces cost: an answer of <c>/metrics</c>, and starts beside an OTLP receiver. <c>make bench ARGS="metrics 10000"</c>
/// </summary>
internal static class MetricsFigures
{
    private const int Requests = 200;
    private const int JobsEachSecond = 20;
    private const int Rounds = 3;
    private const int RoundSeconds = 20;

    public static async Task RunAsync(int jobs)
    {
        Console.WriteLine($"{await ClusterMachine.DescribeAsync()}\n");
        await MeasurePageAsync(jobs);
        await MeasureStartsAsync();
    }

    private static async Task MeasurePageAsync(int jobs)
    {
        using var host = await ClusterHost.StartAsync();
        await host.FillAsync(jobs);
        await host.StartMasterAsync();
        await host.StartWorkerAsync("w1");
        await host.StartWorkerAsync("w2");
        while (!(await host.GetAsync("/metrics")).Contains("dts_worker_slots{worker=\"w2\"}", StringComparison.Ordinal))
        {
            await Task.Delay(100);
        }

        var (times, length) = (new List<double>(), 0);
        for (var request = 0; request < Requests; request++)
        {
            var watch = Stopwatch.StartNew();
            length = (await host.GetAsync("/metrics")).Length;
            times.Add(watch.Elapsed.TotalMilliseconds);
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"`/metrics` with {jobs:N0} jobs and 2 workers: {length:N0} bytes in p50 / p99 / max {ClusterFigures.Spread.Of(times)} ms\n"));
    }

    /// <summary>The same jobs on a worker without and with a receiver, turn about.</summary>
    private static async Task MeasureStartsAsync()
    {
        using var receiver = new OtlpReceiver();
        var (without, with) = (new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            without.AddRange(await MeasureRoundAsync());
            with.AddRange(await MeasureRoundAsync("--otlpEndpoint", receiver.Endpoint.AbsoluteUri));
        }

        Console.WriteLine($"| {JobsEachSecond} jobs a second | starts | lag p50 / p99 / max, ms |\n|---|--:|--:|");
        Console.WriteLine($"| without OTLP | {without.Count} | {ClusterFigures.Spread.Of(without)} |");
        Console.WriteLine($"| with OTLP, {receiver.Spans.Count} spans came | {with.Count} | {ClusterFigures.Spread.Of(with)} |");
    }

    private static async Task<List<double>> MeasureRoundAsync(params string[] settings)
    {
        await ClusterMachine.CalmAsync();
        using var host = await ClusterHost.StartAsync();
        await host.StartMasterAsync();
        var (worker, _) = await host.StartWorkerAsync("w1", settings);
        for (var n = 0; n < JobsEachSecond; n++)
        {
            await host.SaveAsync($"job-{n}", "true");
        }

        var from = (DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 3) * 1000; // The first ones pay for what is loaded with them.
        await ClusterFigures.TimeIs(from + (RoundSeconds * 1000) + 500);
        return [.. ClusterFigures.ReadStarts(worker, from, from + (RoundSeconds * 1000)).Select(start => start.LagMs)];
    }
}
