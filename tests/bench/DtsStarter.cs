namespace Dts.Bench;

/// <summary>DTS: a master and two workers.</summary>
internal sealed class DtsStarter : IStarter
{
    private readonly ClusterHost _host;
    private readonly ClusterProcess[] _workers;
    private readonly string _folder;
    private int _rounds;

    private DtsStarter(ClusterHost host, ClusterProcess[] workers, string folder) => (_host, _workers, _folder) = (host, workers, folder);

    public string Name => "DTS";

    /// <summary>Processor time of the workers for a fire in the latest round, in milliseconds.</summary>
    public double CpuMsPerFire { get; private set; }

    public static async Task<DtsStarter> OpenAsync(string folder)
    {
        var host = await ClusterHost.StartAsync(slots: 500);
        await host.StartMasterAsync();
        return new DtsStarter(host, [(await host.StartWorkerAsync("w1")).Worker, (await host.StartWorkerAsync("w2")).Worker], folder);
    }

    public async Task<Lags> StartAsync(int atOnce, long from, int seconds)
    {
        var round = _rounds++;
        var clock = new ClockFile(Path.Combine(_folder, $"dts-{round}"));
        await _host.PutJobsAsync(Enumerable.Range(0, atOnce).Select(n => ($"job-{round}-{n}", clock.Command, "* * * * * *")));
        await ClusterFigures.TimeIs(from - 500);
        var before = ReadCpu();
        await ClusterFigures.TimeIs(from + ((seconds - 1) * 1000) + 500); // Or the next second would be in it.
        CpuMsPerFire = (ReadCpu() - before) * 1000 / (atOnce * seconds);
        var lags = await clock.ReadSoonAsync(from, from + (seconds * 1000), atOnce * seconds);
        await _host.DeleteJobsAsync();
        return lags;
    }

    public ValueTask DisposeAsync()
    {
        _host.Dispose();
        return ValueTask.CompletedTask;
    }

    private double ReadCpu() => _workers.Sum(worker => worker.ReadCpu().Own);
}
