using System.Diagnostics;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>How soon many commands that are due in the same second have all started, beside a C program that starts as many.</summary>
internal static class BurstFigures
{
    /// <summary>Seconds between the bursts of DTS. Between two of them the C program has its own.</summary>
    private static readonly int[] Periods = [6, 10, 15, 20, 30, 60];

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        using var folder = new ScratchFolder();
        var count = effort.Argument(0, 1000, 20);
        var spawner = await SpawnProgram.CompileAsync(folder.Path);
        using var host = await ClusterHost.StartAsync(slots: count);
        var (own, bare) = (new ClockFile(folder.File("dts")), new ClockFile(folder.File("bare")));
        await host.StartWorkerAsync("w1");
        var watch = Stopwatch.StartNew();
        await spawner.BurstAsync(count, bare.Command);
        var enough = (4 * watch.Elapsed.TotalSeconds) + 2;
        var seconds = effort.Of(Periods.FirstOrDefault(period => period >= enough, 60), 2);
        await host.PutJobsAsync(Enumerable.Range(0, count).Select(n =>
            ($"job-{n}", own.Command, seconds == 60 ? "0 * * * * *" : $"*/{seconds} * * * * *")));
        var period = seconds * 1000;
        var (ours, theirs, started) = (new List<double>(), new List<double>(), 0);
        for (var round = -1; round < effort.Rounds; round++)
        {
            var plan = ((DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + 1500) / period * period) + period;
            var lags = await own.ReadSoonAsync(plan, plan + 1000, count, period / 2);
            var sinceBare = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
            await spawner.BurstAsync(count, bare.Command);
            if (round >= 0) // The first one pays for what is loaded with it.
            {
                ours.Add(lags.Ms.Count < count ? double.PositiveInfinity : lags.Max);
                theirs.Add(bare.Read(sinceBare, long.MaxValue).Max(start => start.At - start.Plan));
                started += lags.Ms.Count;
            }
        }

        return new Findings(
            [
                new Figure($"{count:N0} due in one second: all started after, ms", Series.Of(ours))
                    .Beside($"{count:N0} posix_spawn in C", Series.Of(theirs))
                    .Should(Bound.AtMostTimes(1.2)),
            ],
            FormattableString.Invariant($"DTS started {started:N0} of {ours.Count * count:N0}."));
    }
}
