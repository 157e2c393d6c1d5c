using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>The lag of starts in the seconds after one of two workers failed, beside the seconds before.</summary>
internal static class TakeoverFigures
{
    private const int JobsEachSecond = 20;

    private static readonly string[] Faults = ["kill -9", "stop", "cut from etcd"];

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        var (figures, notes) = (new List<Figure>(), new List<string>());
        foreach (var fault in Faults)
        {
            var (before, after) = (new List<Lags>(), new List<Lags>());
            for (var round = 0; round < effort.Rounds; round++)
            {
                var (earlier, later) = await MeasureAsync(fault, effort.Argument(0, 3, 1));
                before.Add(earlier);
                after.Add(later);
            }

            figures.Add(new Figure($"{fault}: p99 after it, ms", Series.Of(after.Select(round => round.P99)))
                .Beside("before it", Series.Of(before.Select(round => round.P99)))
                .Should(Bound.AtMostTimes(2)));
            notes.Add($"{fault}: {Count(before)} before it, {Count(after)} after it.");
        }

        return new Findings(figures, $"Fires that started. {string.Join(' ', notes)}");

        static string Count(List<Lags> rounds) => FormattableString.Invariant(
            $"{rounds.Sum(round => round.Ms.Count):N0} of {rounds.Sum(round => round.Expected):N0}");
    }

    private static async Task<(Lags Before, Lags After)> MeasureAsync(string fault, int seconds)
    {
        using var folder = new ScratchFolder();
        using var host = await ClusterHost.StartAsync();
        await using var proxy = new CutProxy(host.Etcd);
        var (victim, _) = await host.StartWorkerAsync("w1", "--etcdEndpoints", proxy.Endpoint.Authority);
        await host.StartWorkerAsync("w2");
        var clock = new ClockFile(folder.File("clock"));
        await host.PutJobsAsync(Enumerable.Range(0, JobsEachSecond).Select(n => ($"job-{n}", clock.Command, "* * * * * *")), "allow");

        var begin = ((DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000) + 2) * 1000;
        var middle = begin + (seconds * 1000);
        await ClusterFigures.TimeIs(middle - 500); // Between two plan times: the fires of the next one are claimed.
        switch (fault)
        {
            case "kill -9":
                Processes.Signal(victim.Pid, "KILL");
                break;
            case "stop":
                Processes.Signal(victim.Pid, "STOP");
                break;
            default:
                proxy.Cut();
                break;
        }

        var end = middle + (seconds * 1000);
        var expected = seconds * JobsEachSecond;
        return (await clock.ReadSoonAsync(begin, middle, expected), await clock.ReadSoonAsync(middle, end, expected));
    }
}
