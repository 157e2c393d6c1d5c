using System.Diagnostics;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>
/// What metrics and traces cost: an answer of <c>/metrics</c>, and starts beside an OTLP receiver. <c>make bench ARGS="metrics 10000"</c>
/// </summary>
internal static class MetricsFigures
{
    private const int Requests = 200;
    private const int JobsEachSecond = 20;

    public static async Task<Findings> MeasureAsync(Effort effort) => new(
        [await MeasurePageAsync(effort.Argument(0, 10_000, 10)), await MeasureStartsAsync(effort)],
        $"Starts of {JobsEachSecond} every-second jobs on one worker, without and with a receiver of its metrics and spans, turn about.");

    private static async Task<Figure> MeasurePageAsync(int jobs)
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
            var begun = Stopwatch.GetTimestamp();
            length = (await host.GetAsync("/metrics")).Length;
            times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
        }

        return new Figure($"`/metrics` with {jobs:N0} jobs, {length:N0} bytes: p50 / p99 / longest, ms", Quantiles.Of(times, 50, 99, 100));
    }

    private static async Task<Figure> MeasureStartsAsync(Effort effort)
    {
        using var receiver = new OtlpReceiver();
        var (without, with) = (new List<double>(), new List<double>());
        for (var round = 0; round < effort.Of(3, 1); round++)
        {
            without.AddRange(await MeasureRoundAsync(effort.Of(20, 3)));
            with.AddRange(await MeasureRoundAsync(effort.Of(20, 3), "--otlpEndpoint", receiver.Endpoint.AbsoluteUri));
        }

        var name = $"{with.Count:N0} starts with OTLP, {receiver.Spans.Count:N0} spans: lag p50 / p99 / longest, ms";
        return new Figure(name, Quantiles.Of(with, 50, 99, 100)).Beside("without", Quantiles.Of(without, 50, 99, 100));
    }

    private static async Task<List<double>> MeasureRoundAsync(int seconds, params string[] settings)
    {
        using var host = await ClusterHost.StartAsync();
        await host.StartMasterAsync();
        var (worker, _) = await host.StartWorkerAsync("w1", settings);
        for (var n = 0; n < JobsEachSecond; n++)
        {
            await host.SaveAsync($"job-{n}", "true");
        }

        var from = (DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 3) * 1000; // The first ones pay for what is loaded with them.
        await ClusterFigures.TimeIs(from + (seconds * 1000) + 500);
        return [.. ClusterFigures.ReadStarts(worker, from, from + (seconds * 1000)).Select(start => start.LagMs)];
    }
}
