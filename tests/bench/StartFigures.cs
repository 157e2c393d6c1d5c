using System.Globalization;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>
/// How late commands start that are due at the same moment, by their own clock: DTS, bare shell loops, cron, systemd timers, Quartz.NET.
/// </summary>
internal static class StartFigures
{
    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        using var folder = new ScratchFolder();
        var counts = effort.Of<int[]>([2, 50, 200], [2]);
        var seconds = effort.Argument(0, 2, 1);
        await using var dts = await DtsStarter.OpenAsync(folder.Path);
        await using var loops = new LoopStarter(folder.Path);
        await using var timers = await TimerStarter.TryOpenAsync(folder.Path);
        await using var quartz = await QuartzStarter.OpenAsync(folder.Path);
        using var cron = CronDaemon.Start(folder.Path, counts);
        IStarter[] starters = [dts, loops, quartz, .. timers is null ? Array.Empty<IStarter>() : [timers]];
        var rounds = new Dictionary<(string Starter, int Count), List<Lags>>();
        var cpu = new Dictionary<int, List<double>>();
        foreach (var starter in starters.Where(_ => !effort.IsSmoke)) // The first ones pay for what is loaded with them.
        {
            await starter.StartAsync(counts[^1], await NextWindowAsync(starter.AheadMs(counts[^1]), 1), 1);
        }

        for (var round = 0; round < effort.Rounds; round++)
        {
            foreach (var count in counts)
            {
                foreach (var starter in starters)
                {
                    var from = await NextWindowAsync(starter.AheadMs(count), seconds);
                    Of(rounds, (starter.Name, count)).Add(await starter.StartAsync(count, from, seconds));
                }

                Of(cpu, count).Add(dts.CpuMsPerFire);
            }
        }

        if (!cron.IsAlive)
        {
            throw new InvalidOperationException($"cron ended: {cron.Describe()}");
        }

        foreach (var count in counts)
        {
            rounds[("cron", count)] = [.. cron.Read(count)];
        }

        return new Findings(
            [.. counts.SelectMany(count => Compare(rounds, count)), .. counts.Select(count => new Figure(
                $"{count} at a moment: CPU of the workers, ms a fire", Series.Of(cpu[count])))],
            Count(rounds, counts));
    }

    private static IEnumerable<Figure> Compare(Dictionary<(string Starter, int Count), List<Lags>> rounds, int count)
    {
        var ours = rounds[("DTS", count)];
        yield return new Figure($"{count} at a moment: p50 / p99, ms", [.. Quantities(ours).Take(2)])
            .Beside("two shell loops", [.. Quantities(rounds[("two shell loops", count)]).Take(2)])
            .Should(Bound.AtMostTimes(1.1));
        foreach (var other in (string[])["cron", "systemd timer", "Quartz.NET"])
        {
            if (rounds.GetValueOrDefault((other, count)) is { Count: > 0 } theirs)
            {
                yield return new Figure($"{count} at a moment: p50 / p99 / max, ms", Quantities(ours))
                    .Beside(other, Quantities(theirs))
                    .Should(Bound.Ahead);
            }
        }
    }

    private static Series[] Quantities(List<Lags> rounds) =>
    [
        Series.Of(rounds.Select(round => round.P50)),
        Series.Of(rounds.Select(round => round.P99)),
        Series.Of(rounds.Select(round => round.Max)),
    ];

    /// <summary>A table of the commands that started, of those that were due.</summary>
    private static string Count(Dictionary<(string Starter, int Count), List<Lags>> rounds, int[] counts)
    {
        var rows = rounds.GroupBy(entry => entry.Key.Starter).Select(starter =>
            $"| {starter.Key} | {string.Join(" | ", starter.Select(entry => Text(entry.Value)))} |");
        return string.Join('\n', [
            $"| started, of those that were due | {string.Join(" | ", counts.Select(count => $"{count} at a moment"))} |",
            $"|---|{string.Concat(counts.Select(_ => "--:|"))}",
            .. rows]);

        string Text(List<Lags> lags) => string.Create(
            CultureInfo.InvariantCulture, $"{lags.Sum(round => round.Ms.Count):N0} of {lags.Sum(round => round.Expected):N0}");
    }

    /// <summary>Waits until soon before the next plan time from which so many seconds are free of cron.</summary>
    private static async Task<long> NextWindowAsync(int aheadMs, int seconds)
    {
        var from = ((DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + aheadMs) / 1000 * 1000) + 1000;
        while (CronDaemon.IsBusy(from, from + (seconds * 1000)))
        {
            from += 1000;
        }

        await ClusterFigures.TimeIs(from - aheadMs - 500);
        return from;
    }

    private static List<T> Of<TKey, T>(Dictionary<TKey, List<T>> lists, TKey key)
        where TKey : notnull
    {
        if (!lists.TryGetValue(key, out var list))
        {
            lists[key] = list = [];
        }

        return list;
    }
}
