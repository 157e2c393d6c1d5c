namespace Dts.Bench;

/// <summary>
/// What a worker and a master cost that have nothing to do, beside an empty native minimal API. <c>make bench ARGS=services</c>
/// </summary>
internal static class ServiceFigures
{
    private const double TimesEmpty = 2;
    private const double PercentIdle = 0.3;
    private const string Notes =
        """
        A start is from the start of the process to a line of its log: a worker's `ready, 0 jobs planned`, a master's `listening on`. A
        worker is counted with the process that holds its commands. The reference is the smallest API that ASP.NET makes natively
        (`tests/bench/empty-api`). Idle is without jobs; sleeps are voluntary context switches of all threads.
        """;

    private static readonly TimeSpan UntilIdle = TimeSpan.FromSeconds(5);

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        var empty = effort.IsSmoke ? EmptyApi.Find() : await EmptyApi.PublishAsync();
        var folder = Directory.CreateTempSubdirectory("dts-bench-empty-");
        try
        {
            using var host = await ClusterHost.StartAsync();
            return new Findings(
                [
                    .. await MeasureStartsAsync(host, empty, folder.FullName, effort),
                    .. await MeasureIdleAsync(host, empty, folder.FullName, effort),
                    .. MeasureSizes(empty),
                ],
                Notes);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<IEnumerable<Figure>> MeasureStartsAsync(ClusterHost host, string? empty, string folder, Effort effort)
    {
        var started = 0;
        var times = await Callers.TakeTurnsAsync(
            effort.Of(11, 1),
            () => StartAsync(() => host.StartWorkerAsync($"start-{started++}"), host.End),
            () => StartAsync(host.StartMasterAsync, host.End),
            () => empty is null
                ? Task.FromResult(double.NaN)
                : StartAsync(() => EmptyApi.StartAsync(empty, Path.Combine(folder, "start.out")), process => process.Dispose()));
        Series[] ms = [.. times.Select(way => Series.Of(way))];
        return new[] { new Figure("start of a worker, ms", ms[0]), new Figure("start of a master, ms", ms[1]) }
            .Select(figure => empty is null ? figure : figure.Beside("empty API", ms[2]).Should(Bound.AtMostTimes(TimesEmpty)));

        static async Task<double> StartAsync(Func<Task<(ClusterProcess, TimeSpan)>> start, Action<ClusterProcess> end)
        {
            var (process, ready) = await start();
            end(process);
            return ready.TotalMilliseconds;
        }
    }

    private static async Task<IEnumerable<Figure>> MeasureIdleAsync(ClusterHost host, string? empty, string folder, Effort effort)
    {
        var (worker, _) = await host.StartWorkerAsync("idle");
        var (master, _) = await host.StartMasterAsync();
        using var api = empty is null ? null : (await EmptyApi.StartAsync(empty, Path.Combine(folder, "idle.out"))).Process;
        List<ClusterProcess> services = api is null ? [worker, master] : [worker, master, api];
        await Task.Delay(effort.Of(UntilIdle, TimeSpan.Zero));
        var time = TimeSpan.FromSeconds(effort.Of(12, 1)); // Longer than the ten seconds after which a worker registers again.
        var (cpu, sleeps) = (services.ConvertAll(_ => new List<double>()), services.ConvertAll(_ => new List<double>()));
        for (var round = 0; round < effort.Rounds; round++)
        {
            var before = services.ConvertAll(service => ThreadCounts.Read(service.Pids()));
            await Task.Delay(time);
            for (var n = 0; n < services.Count; n++)
            {
                var (used, slept) = ThreadCounts.Read(services[n].Pids()).Since(before[n]);
                cpu[n].Add(used / time.TotalSeconds * 100);
                sleeps[n].Add(slept / time.TotalSeconds);
            }
        }

        var memory = services.ConvertAll(service => Series.Of(service.Pids().Sum(ClusterProcess.ReadMemory) / 1e6));
        return
        [
            Row("idle worker, % of a core", 0, cpu).Should(Bound.AtMost(PercentIdle)),
            Row("idle master, % of a core", 1, cpu).Should(Bound.AtMost(PercentIdle)),
            Row("idle worker, sleeps/s", 0, sleeps),
            Row("idle master, sleeps/s", 1, sleeps),
            RowOf("idle worker, resident MB", memory[0], memory),
            RowOf("idle master, resident MB", memory[1], memory),
        ];

        Figure Row(string name, int service, List<List<double>> figures) =>
            RowOf(name, Series.Of(figures[service]), figures.ConvertAll(values => Series.Of(values)));

        static Figure RowOf(string name, Series ours, List<Series> all) =>
            all is [_, _, var theirs] ? new Figure(name, ours).Beside("empty API", theirs) : new Figure(name, ours);
    }

    private static IEnumerable<Figure> MeasureSizes(string? empty) =>
        from name in (string[])["dts-worker", "dts-master"]
        let ours = new Figure($"`{name}`, MB", Megabytes(Path.Combine(ClusterHost.Bin, name)))
        select empty is null ? ours : ours.Beside("empty API", Megabytes(empty));

    private static Series Megabytes(string file) => Series.Of(new FileInfo(file).Length / 1e6);
}
