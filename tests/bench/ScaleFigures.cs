namespace Dts.Bench;

/// <summary>What idle workers and fires cost etcd, by the number of workers. <c>make bench ARGS=scale</c></summary>
internal static class ScaleFigures
{
    private const int FiresEachSecond = 20;
    private const string Notes =
        """
        One etcd, one master, 20 jobs that run `true` every second. Entries are those of etcd's log (raft), which it writes to disk; bytes
        are those of its gRPC connections. The claim and the end of a run are written, and the watches of all workers and of the master
        hear of both. What the same services cost when they are idle is taken off.
        """;

    private static readonly TimeSpan UntilCalm = TimeSpan.FromSeconds(3);

    /// <summary>What etcd has done so far, or in a time.</summary>
    private readonly record struct Work(double Entries, double Received, double Sent)
    {
        public static Work operator -(Work one, Work other) =>
            new(one.Entries - other.Entries, one.Received - other.Received, one.Sent - other.Sent);

        public static Work operator *(Work work, double times) => new(work.Entries * times, work.Received * times, work.Sent * times);
    }

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        var figures = new List<Figure>();
        foreach (var workers in effort.Of<int[]>([1, 2, 5, 10], [1]))
        {
            figures.AddRange(await MeasureAsync(workers, effort));
        }

        return new Findings(figures, Notes);
    }

    private static async Task<IEnumerable<Figure>> MeasureAsync(int count, Effort effort)
    {
        using var host = await ClusterHost.StartAsync();
        await host.StartMasterAsync();
        var workers = new List<ClusterProcess>();
        for (var n = 0; n < count; n++)
        {
            workers.Add((await host.StartWorkerAsync($"w{n}")).Worker);
        }

        var (seconds, idle, busy) = (effort.Of(30, 2), new List<Work>(), new List<Work>());
        await Task.Delay(effort.Of(UntilCalm, TimeSpan.Zero));
        idle.Add(await WorkAsync(host, seconds));
        await host.PutJobsAsync(Enumerable.Range(0, FiresEachSecond).Select(n => ($"job-{n}", "true", "* * * * * *")));
        await Task.Delay(effort.Of(UntilCalm, TimeSpan.FromSeconds(1)));
        for (var round = 0; round < effort.Of(3, 1); round++)
        {
            busy.Add(((await WorkAsync(host, seconds)) - idle[0]) * (1.0 / (seconds * FiresEachSecond)));
        }

        var name = count == 1 ? "one worker" : $"{count} workers";
        return
        [
            new Figure(
                $"{name}, idle: entries/s / bytes/s to etcd / bytes/s from it",
                Of(idle, work => work.Entries / seconds), Of(idle, work => work.Received / seconds), Of(idle, work => work.Sent / seconds)),
            new Figure(
                $"{name}, a fire: entries / bytes to etcd / bytes from it",
                Of(busy, work => work.Entries), Of(busy, work => work.Received), Of(busy, work => work.Sent)),
            new Figure($"{name}: memory of one with its holder, MB", Series.Of(
                workers.Select(worker => worker.Pids().Sum(ClusterProcess.ReadMemory) / 1e6))),
        ];
    }

    private static async Task<Work> WorkAsync(ClusterHost host, int seconds)
    {
        var before = await ReadAsync(host);
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        return await ReadAsync(host) - before;
    }

    private static async Task<Work> ReadAsync(ClusterHost host) => new(
        await host.ReadEtcdMetricAsync("etcd_server_proposals_committed_total"),
        await host.ReadEtcdMetricAsync("etcd_network_client_grpc_received_bytes_total"),
        await host.ReadEtcdMetricAsync("etcd_network_client_grpc_sent_bytes_total"));

    private static Series Of(List<Work> work, Func<Work, double> figure) => Series.Of(work.Select(figure));
}
