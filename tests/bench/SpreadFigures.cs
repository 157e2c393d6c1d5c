using System.Globalization;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>Many hourly jobs, spread over the seconds of the hour: lag, processor time and what a fire sends to and from etcd.</summary>
internal static class SpreadFigures
{
    private const int SecondsPerHour = 3600;

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        using var folder = new ScratchFolder();
        var seconds = effort.Argument(0, 10, 2);
        var jobs = effort.Of(100_000, SecondsPerHour * 2);
        using var host = await ClusterHost.StartAsync();
        await using var loops = new LoopStarter(folder.Path);
        var clock = new ClockFile(folder.File("dts"));
        await host.PutJobsAsync(Enumerable.Range(0, jobs).Select(n => ($"job-{n}", clock.Command, $"{n % 60} {n / 60 % 60} * * * *")));
        ClusterProcess[] workers = [(await host.StartWorkerAsync("w1")).Worker, (await host.StartWorkerAsync("w2")).Worker];
        var (ours, floor) = (new List<Lags>(), new List<Lags>());
        var (cpu, etcdCpu, bytes) = (new List<double>(), new List<double>(), new List<double>());
        await Task.Delay(effort.Of(5000, 1000)); // The first ones pay for what is loaded with them.
        for (var round = 0; round < effort.Rounds; round++)
        {
            var from = ((DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000) + 2) * 1000;
            var to = from + (seconds * 1000);
            await ClusterFigures.TimeIs(from - 500);
            var (own, etcd, sent) = await ReadAsync();
            await ClusterFigures.TimeIs(to - 500);
            var (ownThen, etcdThen, sentThen) = await ReadAsync();
            var lags = await clock.ReadSoonAsync(from, to, CountDue(from, seconds, jobs));
            ours.Add(lags);
            cpu.Add((ownThen - own) * 1000 / lags.Ms.Count);
            etcdCpu.Add((etcdThen - etcd) * 1000 / lags.Ms.Count);
            bytes.Add((sentThen - sent) / lags.Ms.Count);
            floor.Add(await loops.StartAsync(jobs / SecondsPerHour, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), effort.Of(2, 1)));
        }

        return new Findings(
            [
                new Figure("p50 of the lag, ms", Series.Of(ours.Select(round => round.P50)))
                    .Beside("two shell loops", Series.Of(floor.Select(round => round.P50))),
                new Figure("p99 of the lag, ms", Series.Of(ours.Select(round => round.P99)))
                    .Beside("two shell loops", Series.Of(floor.Select(round => round.P99)))
                    .Should(Bound.AtMostAbove(10)),
                new Figure("fires that did not start", Series.Of(ours.Select(round => (double)(round.Expected - round.Ms.Count))))
                    .Should(Bound.AtMost(0)),
                new Figure("CPU of the workers, ms a fire", Series.Of(cpu)),
                new Figure("CPU of etcd, ms a fire", Series.Of(etcdCpu)),
                new Figure("bytes to and from etcd's clients a fire", Series.Of(bytes)),
            ],
            string.Create(CultureInfo.InvariantCulture, $"{jobs:N0} jobs, {ours.Sum(round => round.Expected):N0} fires."));

        async Task<(double Own, double Etcd, double Bytes)> ReadAsync() => (
            workers.Sum(worker => worker.ReadCpu().Own),
            host.EtcdProcess.ReadCpu().Own,
            await host.ReadEtcdMetricAsync("etcd_network_client_grpc_received_bytes_total")
                + await host.ReadEtcdMetricAsync("etcd_network_client_grpc_sent_bytes_total"));
    }

    /// <summary>Job n is due at second n of the hour, and every 3,600 jobs later another one.</summary>
    private static int CountDue(long from, int seconds, int jobs) => Enumerable.Range(0, seconds).Sum(second =>
    {
        var ofHour = (int)((from / 1000) + second) % SecondsPerHour;
        return (jobs / SecondsPerHour) + (ofHour < jobs % SecondsPerHour ? 1 : 0);
    });
}
