using System.Diagnostics;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Dts.Worker.Watches;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Simulation;

/// <summary>
/// What many workers and many jobs cost: <c>make scale WORKERS=1000 JOBS=1000000</c>. Each job fires once an hour, at a second of its own.
/// </summary>
/// <remarks>
/// All jobs are in etcd, but a thousand workers that know a million jobs each do not fit into memory. So the first worker knows all, which
/// tells what a job takes, and the others know those that are due while the simulation lasts: the rest costs them nothing but memory.
/// </remarks>
public sealed class SimScale
{
    private const int SecondsInHour = 3600;
    private const int WarmUpSeconds = 5;
    private const string MasterTables = "jrqkow"; // ViewKeeper: jobs, runs, queue, killer, owed, workers.

    [Fact(Explicit = true)]
    public void Costs()
    {
        var (workers, jobs) = (SimulationTests.Read("SIM_WORKERS", 10), SimulationTests.Read("SIM_JOBS", 10_000));
        var seconds = SimulationTests.Read("SIM_SECONDS", 30);
        var begun = Stopwatch.GetTimestamp();
        var world = new SimWorld(SimulationTests.Read("SIM_SEED", 1));
        var cluster = new SimCluster(world, workers);
        Fill(cluster, jobs);
        var memory = Memory();
        cluster.JobsAtStart = ReadJobs(cluster, jobs, WarmUpSeconds + seconds + 5);
        var plans = Memory() - memory;
        foreach (var host in cluster.Hosts)
        {
            host.Clock.Set(0);
        }

        cluster.Start(cluster.Hosts[0]);
        world.RunUntil(SimWorld.Second);
        var perJob = (double)(Memory() - memory) / jobs;
        foreach (var host in cluster.Hosts.Skip(1))
        {
            world.Do(world.Between(world.Now, 2 * SimWorld.Second), () => cluster.Start(host));
        }

        world.RunUntil(WarmUpSeconds * SimWorld.Second);
        var (started, events) = (cluster.Witness.StartCount, world.Count);
        cluster.Server.Costs = new SimCosts();
        world.RunUntil((WarmUpSeconds + seconds) * SimWorld.Second);
        Say(
            $"{workers} workers, {jobs} jobs, {(double)jobs / SecondsInHour:F1} fires a second planned: "
                + $"{(cluster.Witness.StartCount - started) / (double)seconds:F1} a second started in {seconds} s; "
                + $"{perJob:F0} bytes a job in a worker of the simulation ({plans / (double)jobs:F0} of them shared), "
                + $"{world.Count - events} events, {Stopwatch.GetElapsedTime(begun).TotalSeconds:F0} s, "
                + $"{Process.GetCurrentProcess().PeakWorkingSet64 >> 20} MiB");
        Report(cluster.Server.Costs, cluster.Witness.StartCount - started, workers, seconds);
    }

    private static void Report(SimCosts costs, double fires, int workers, double seconds)
    {
        foreach (var kind in (string[])[SimCosts.Claims, SimCosts.Looks, SimCosts.Completions, SimCosts.Others])
        {
            var cost = costs.Of(kind);
            Say($"  {kind}: {cost.About / fires:F2} a fire, {cost.Count / fires:F3} requests a fire, {cost.Count / seconds:F1} a second, "
                + $"{cost.Sent / fires:F0} bytes a fire to etcd and {cost.Received / fires:F0} from it");
        }

        var (watched, all) = (costs.Watched, costs.AllRequests);
        var master = MasterTables.Select(costs.Written).Aggregate((sum, cost) => sum + cost);
        var ofFires = "rfo".Select(costs.Written).Aggregate((sum, cost) => sum + cost);
        Say($"  all requests: {all.Count / seconds:F0} a second, with {Kib(all.Sent):F0} KiB to etcd and {Kib(all.Received):F0} from it");
        Say($"  written for fires: {ofFires.Count / fires:F2} keys and {ofFires.Received / fires:F0} bytes a fire");
        Say($"  registrations: {costs.Written('w').Count / seconds:F1} and {costs.Written('w').Received / seconds:F0} bytes a second");
        var each = seconds * workers;
        Say($"  watches of a worker: {watched.About / each:F1} events and {watched.Received / each:F0} bytes a second");
        Say($"  watches of all workers: {watched.About / seconds:F0} events and {Kib(watched.Received):F0} KiB a second");
        Say($"  watches of a master: {master.Count / seconds:F1} events and {master.Received / seconds:F0} bytes a second");

        double Kib(long bytes) => bytes / seconds / 1024;
    }

    private static void Fill(SimCluster cluster, int jobs)
    {
        var (etcd, keys) = (cluster.Server.Etcd, cluster.Keys);
        var cursor = new Cursor(SimWorld.Epoch, "master", "-", Cursor.Moved).ToString();
        for (var number = 0; number < jobs; number++)
        {
            var (job, name) = (MakeJob(number), JobName.Parse(MakeJob(number).Name));
            etcd.Txn(Txn.All([Txn.Put(keys.Job(name), JobJson.ToJson(job)), Txn.Put(keys.Fired(name), cursor)]));
        }

        cluster.Server.Compact(etcd.Revision);
    }

    private static Job MakeJob(int number) => new(
        $"job-{number:0000000}", "true", $"{SecondOf(number) % 60} {SecondOf(number) / 60} * * * *", Overlap: Overlap.Forbid);

    /// <summary>Spreads the jobs evenly over the hour.</summary>
    private static int SecondOf(int number) => number % SecondsInHour;

    private static (IReadOnlyList<FireEvent> All, IReadOnlyList<FireEvent> Due) ReadJobs(SimCluster cluster, int jobs, int seconds)
    {
        var reader = new ChangeReader(cluster.Keys, "w0", CronZone.Utc, NullLogger.Instance);
        var (all, due) = (new List<FireEvent>(jobs), new List<FireEvent>());
        for (var number = 0; number < jobs; number++)
        {
            var pair = cluster.Server.Etcd.Keys.Find(Txn.Bytes(cluster.Keys.Job(JobName.Parse(MakeJob(number).Name))))!;
            var change = new KeyChange.Put(pair.Key.ToStringUtf8(), pair.ModRevision, pair.CreateRevision, default, pair.Value);
            var put = reader.ReadJob(change, cursors: null)!;
            all.Add(put);
            if (SecondOf(number) <= seconds)
            {
                due.Add(put);
            }
        }

        return (all, due);
    }

    private static long Memory() => GC.GetTotalMemory(forceFullCollection: true);

    private static void Say(string line) => TestContext.Current.TestOutputHelper?.WriteLine(line);
}
