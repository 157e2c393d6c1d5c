using System.Globalization;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>The most fires a second that two workers start with p99 of the lag below a second, beside the rate of bare shells.</summary>
internal static class SustainedFigures
{
    private const double First = 0.75; // Of the bare rate.
    private const double Step = 0.05;
    private const double StepDown = 0.2;
    private const double LagMax = 1000;

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        using var folder = new ScratchFolder();
        var spawner = await SpawnProgram.CompileAsync(folder.Path);
        var seconds = effort.Argument(0, 3, 1);
        var (ours, theirs, lags) = (new List<double>(), new List<double>(), new List<double>());
        var part = First;
        for (var round = 0; round < effort.Rounds; round++)
        {
            var bare = Math.Max(
                await spawner.RateAsync(seconds, Environment.ProcessorCount, "true"),
                await spawner.RateAsync(seconds, Environment.ProcessorCount * 2, "true"));
            (part, var rate, var lag) = await FindMostAsync(bare, part, seconds, effort.IsSmoke);
            theirs.Add(bare);
            ours.Add(rate);
            lags.Add(lag);
        }

        return new Findings([
            new Figure("fires/s with p99 of the lag below 1 s", Series.Of(ours))
                .Beside("shells/s, bare", Series.Of(theirs))
                .Should(Bound.AtLeastTimes(0.75)),
            new Figure("p99 of the lag at that rate, ms, by the worker's clock", Series.Of(lags)),
        ]);
    }

    /// <summary>The highest part of the bare rate that is sustained: down from the first until one is, then up until one is not.</summary>
    private static async Task<(double Part, int Rate, double LagMs)> FindMostAsync(double bare, double first, int seconds, bool isSmoke)
    {
        using var host = await ClusterHost.StartAsync(slots: 2000);
        ClusterProcess[] workers = [(await host.StartWorkerAsync("w1")).Worker, (await host.StartWorkerAsync("w2")).Worker];
        var jobs = 0;
        if (isSmoke)
        {
            return (first, 10, await TryAsync(10));
        }

        var (part, failed) = (first, double.PositiveInfinity);
        var lag = await TryAsync((int)(part * bare));
        while (lag >= LagMax && part > StepDown)
        {
            failed = part;
            part -= StepDown;
            await host.DeleteJobsAsync();
            jobs = 0;
            await Task.Delay(TimeSpan.FromSeconds(3)); // What was due still starts.
            lag = await TryAsync((int)(part * bare));
        }

        while (lag < LagMax && part + Step < failed && await TryAsync((int)((part + Step) * bare)) is < LagMax and var next)
        {
            (part, lag) = (part + Step, next);
        }

        return (part, lag < LagMax ? (int)(part * bare) : 0, lag);

        async Task<double> TryAsync(int rate)
        {
            await host.PutJobsAsync(Enumerable.Range(jobs, rate - jobs).Select(n => ($"job-{n}", "true", "* * * * * *")));
            jobs = rate;
            var from = ((DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000) + 2) * 1000;
            return await ReadLagAsync(workers, from, from + (seconds * 1000), rate * seconds);
        }
    }

    /// <summary>p99 of the lag in milliseconds; infinite if a fire did not start, or started twice.</summary>
    private static async Task<double> ReadLagAsync(ClusterProcess[] workers, long from, long to, int expected)
    {
        await ClusterFigures.TimeIs(to + (long)LagMax);
        var starts = workers.SelectMany(worker => ClusterFigures.ReadStarts(worker, from, to)).ToList();
        var lags = new Lags([.. starts.Select(start => start.LagMs)], expected);
        await Console.Error.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"{expected * 1000 / (to - from)} fires/s: {starts.Count} of {expected} started, p99 {lags.P99:F0} ms"));
        return starts.DistinctBy(start => (start.Job, start.Plan)).Count() == expected && starts.Count == expected
            ? lags.P99
            : double.PositiveInfinity;
    }
}
