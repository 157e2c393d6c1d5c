using System.Globalization;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>The most fires a second that two workers start with p99 of the lag below a second, beside the rate of bare shells.</summary>
internal static class SustainedFigures
{
    private const double First = 0.75;
    private const double Up = 0.05;
    private const double Down = 0.1;
    private const double LagMax = 1000;

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        using var folder = new ScratchFolder();
        var spawner = await SpawnProgram.CompileAsync(folder.Path);
        var seconds = effort.Argument(0, 4, 1);
        var (ours, theirs, lags) = (new List<double>(), new List<double>(), new List<double>());
        for (var round = 0; round < effort.Rounds; round++)
        {
            var bare = await spawner.RateAsync(seconds, Environment.ProcessorCount, "true");
            var (rate, lag) = await FindMostAsync(effort.Of(bare, 10), seconds, effort.IsSmoke);
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

    /// <summary>The highest rate that is sustained, in steps up or down from the first; 0 if none is.</summary>
    private static async Task<(double Rate, double LagMs)> FindMostAsync(double bare, int seconds, bool firstOnly)
    {
        using var host = await ClusterHost.StartAsync(slots: 2000);
        ClusterProcess[] workers = [(await host.StartWorkerAsync("w1")).Worker, (await host.StartWorkerAsync("w2")).Worker];
        var jobs = 0;
        (double Rate, double LagMs) best = (0, 0);
        for (var part = First; ; part += Up)
        {
            var lag = await TryAsync((int)(part * bare));
            if (lag >= LagMax)
            {
                break;
            }

            best = (jobs, lag);
            if (firstOnly)
            {
                return best;
            }
        }

        for (var part = First - Down; best.Rate == 0 && part > 0; part -= Down)
        {
            await host.DeleteJobsAsync();
            jobs = 0;
            await Task.Delay(TimeSpan.FromSeconds(3)); // What was due still starts.
            var lag = await TryAsync((int)(part * bare));
            best = lag < LagMax ? (jobs, lag) : best;
        }

        return best;

        async Task<double> TryAsync(int rate)
        {
            await host.PutJobsAsync(Enumerable.Range(jobs, rate - jobs).Select(n => ($"job-{n}", "true", "* * * * * *")));
            jobs = rate;
            var from = ((DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000) + 3) * 1000;
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
