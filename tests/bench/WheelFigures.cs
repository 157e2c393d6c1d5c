namespace Dts.Bench;

/// <summary>What a timer costs in the worker's wheel, beside what .NET has. <c>make bench ARGS=wheel</c></summary>
internal static class WheelFigures
{
    private const double Times = 1 / 5.0;
    private const string Notes =
        """
        Timers spread over an hour, in no order, all in the set at once; nanoseconds for one of them. A PriorityQueue searches
        for an entry to remove, so that row cancels only a hundred. A System.Threading.Timer calls back on threads of the pool; its expiry
        is the processor time of all threads.
        """;

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        var (timers, few) = (effort.Of(1_000_000, 10_000), effort.Of(10_000, 1_000));
        var (rounds, small) = (new WheelRounds(timers), new WheelRounds(few));
        var costs = await Callers.TakeTurnsAsync(
            effort.Rounds,
            () => Task.FromResult(rounds.MeasureWheel()),
            () => Task.FromResult(rounds.MeasureQueue()),
            rounds.MeasureTimersAsync,
            () => Task.FromResult(small.MeasureWheel()));
        var (insert, cancel, expire) = (Of(cost => cost.Insert), Of(cost => cost.Cancel), Of(cost => cost.Expire));

        return new Findings(
            [
                .. Beside("insert", insert),
                .. Beside("cancel", cancel),
                new Figure($"cancel one of {timers:N0}, ns", cancel[0]).Beside($"one of {few:N0}", cancel[3]).Should(Bound.AtMostTimes(3)),
                .. Beside("expire", expire),
                .. Beside("insert and expire", Of(cost => cost.Insert + cost.Expire)),
                new Figure("bytes allocated by a tick with its timers", Series.Of(rounds.MeasureAllocation())).Should(Bound.AtMost(0)),
            ],
            Notes);

        IEnumerable<Figure> Beside(string what, Series[] ways) =>
        [
            new Figure($"{what} one of {timers:N0}, ns", ways[0]).Beside("PriorityQueue", ways[1]).Should(Bound.AtMostTimes(Times)),
            new Figure($"{what} one of {timers:N0}, ns", ways[0]).Beside("Timer", ways[2]).Should(Bound.AtMostTimes(Times)),
        ];

        Series[] Of(Func<WheelRounds.Cost, double> figure) => [.. costs.Select(way => Series.Of(way.Select(figure)))];
    }
}
