using System.Diagnostics;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;

namespace Dts.Bench;

/// <summary>
/// How soon a worker and a master are ready beside many jobs in etcd, and what they take of memory. <c>make bench ARGS="jobs 100000"</c>
/// </summary>
internal static class JobFigures
{
    private const double BytesOfWorker = 150;
    private const double BytesOfMaster = 400;
    private const double TimesBareRange = 1.5;

    private static readonly TimeSpan UntilSettled = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(2);

    /// <summary>What one round has measured: times in seconds, resident memory in bytes.</summary>
    private sealed record Round(
        double Range, double WorkerReady, double WorkerMemory, double WorkerPeak, double FirstPage, double MasterMemory, double WholeList,
        double MemoryWithList);

    public static Task<Findings> MeasureAsync(Effort effort) => MeasureAsync(effort, effort.Argument(0, 100_000, 300), effort.Rounds);

    public static Task<Findings> MeasureMillionAsync(Effort effort) =>
        MeasureAsync(effort, effort.Argument(0, 1_000_000, 300), Math.Min(effort.Rounds, 3));

    private static async Task<Findings> MeasureAsync(Effort effort, int jobs, int rounds)
    {
        var settle = effort.Of(UntilSettled, TimeSpan.Zero);
        using var host = await ClusterHost.StartAsync();
        var idle = await MeasureAsync(host, "idle", settle);
        await host.FillAsync(jobs);
        List<Round> all = [];
        for (var round = 0; round < rounds; round++)
        {
            all.Add(await MeasureAsync(host, $"w{round}", settle));
        }

        var range = Of(round => round.Range);
        return new Findings(
            [
                new Figure($"worker ready beside {jobs:N0} jobs, s", Of(round => round.WorkerReady))
                    .Beside("bare range", range).Should(Bound.AtMostTimes(TimesBareRange)),
                new Figure("worker's memory over idle, bytes a job", Of(round => (round.WorkerMemory - idle.WorkerMemory) / jobs))
                    .Should(Bound.AtMost(BytesOfWorker)),
                new Figure("its peak, MB", Of(round => round.WorkerPeak / 1e6)),
                new Figure($"master's first page of {jobs:N0} jobs, s after its start", Of(round => round.FirstPage))
                    .Beside("bare range", range).Should(Bound.AtMostTimes(TimesBareRange)),
                new Figure("master's memory over idle, bytes a job", Of(round => (round.MasterMemory - idle.MasterMemory) / jobs))
                    .Should(Bound.AtMost(BytesOfMaster)),
                new Figure("then all jobs by `/job/list`, s", Of(round => round.WholeList)).Beside("bare range", range),
                new Figure("memory then, MB", Of(round => round.MemoryWithList / 1e6)),
            ],
            $"""
            Hourly jobs, put as they are. A bare range is one request of this process for all of them, with the answer parsed. Ready is from
            the start of the process to the line `ready, {jobs:N0} jobs planned`; the first page is `GET /api/v1/jobs`. Memory is resident
            memory {settle.TotalSeconds:F0} s after that, less the memory of the same process without jobs:
            {idle.WorkerMemory / 1e6:F1} MB for the worker without its holder, {idle.MasterMemory / 1e6:F1} MB for the master.
            """);

        Series Of(Func<Round, double> figure) => Series.Of(all.Select(figure));
    }

    private static async Task<Round> MeasureAsync(ClusterHost host, string worker, TimeSpan settle)
    {
        var range = await ReadAllAsync(host);
        var (process, ready) = await host.StartWorkerAsync(worker);
        await Task.Delay(settle);
        var (workerMemory, peak) = (process.ReadStatus("VmRSS"), process.ReadStatus("VmHWM"));
        host.End(process);

        (process, var listening) = await host.StartMasterAsync();
        var firstPage = listening + await WaitForListAsync(host);
        await Task.Delay(settle);
        var masterMemory = process.ReadStatus("VmRSS");
        var list = await host.ListJobsAsync();
        var withList = process.ReadStatus("VmRSS");
        host.End(process);
        return new Round(
            range.TotalSeconds, ready.TotalSeconds, workerMemory * 1024.0, peak * 1024.0, firstPage.TotalSeconds, masterMemory * 1024.0,
            list.TotalSeconds, withList * 1024.0);
    }

    private static async Task<TimeSpan> ReadAllAsync(ClusterHost host)
    {
        var jobs = new Keys(Keys.DefaultPrefix).Jobs;
        using var etcd = host.ConnectEtcd();
        await etcd.StatusAsync(); // The first call makes the connection.
        var watch = Stopwatch.StartNew();
        await etcd.RangeAsync(new RangeRequest { Key = Txn.Bytes(jobs), RangeEnd = Txn.EndOf(jobs) });
        return watch.Elapsed;
    }

    /// <summary>Until the master has read the jobs, it answers 503.</summary>
    private static async Task<TimeSpan> WaitForListAsync(ClusterHost host)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                await host.GetAsync("/api/v1/jobs");
                return watch.Elapsed;
            }
            catch (HttpRequestException)
            {
                await Task.Delay(BetweenLooks);
            }
        }
    }
}
