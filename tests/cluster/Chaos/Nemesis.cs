using System.Globalization;
using Dts.Common.Jobs;
using Dts.Tests.Support;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>Harms a cluster, one fault after the other, and mends what it did; the same seed gives the same faults.</summary>
/// <param name="faults">The names of the faults to inject; empty = all, but those that outlast a session only now and then.</param>
internal sealed class Nemesis(
    ChaosCluster cluster, IReadOnlyList<Job> jobs, IReadOnlyList<string> faults, Random random, Action<string> say)
{
    private const int LongOneIn = 12; // The sixth is the first: within a minute.

    // Some twice: they come twice as often.
    private static readonly string[] Short =
    [
        "kill", "kill", "stall", "cut", "cut", "cut-member", "kill-leader", "compact", "hold-store", "step-clock", "restart", "kill-master",
        "meddle", "burst", "burst",
    ];

    private static readonly string[] Long = ["stall-all", "cut-all", "etcd-away", "stall-holder"];

    /// <summary>Jobs for bursts of requests: their runs must not overlap.</summary>
    private readonly List<Job> _queueing = [.. jobs.Where(job => job.Overlap != Overlap.Allow)];

    private readonly Meddler _meddler = new(cluster, what => say(AtNow(what)));
    private int _faults;

    /// <summary>Goes on until the time is over; then everything has been mended.</summary>
    public async Task RunAsync(DateTimeOffset until)
    {
        await HarmAsync(until);
        await _meddler.ResumeAllAsync();
    }

    /// <summary>Goes on until the time is over. Each fault is mended before the next, but paused jobs stay paused.</summary>
    public async Task HarmAsync(DateTimeOffset until)
    {
        while (DateTimeOffset.UtcNow < until)
        {
            // Drawn whole before anything happens, so that what the cluster does to a fault does not change the next.
            var kinds = faults.Count > 0 ? faults : ++_faults % LongOneIn == LongOneIn / 2 ? Long : Short;
            var (kind, target, other, length) = (
                kinds[random.Next(kinds.Count)], random.Next(1000), random.Next(1000), random.NextDouble());
            var pause = 1 + (3 * random.NextDouble());
            await HarmAsync(kind, target, other, length);
            await Task.Delay(TimeSpan.FromSeconds(pause));
        }
    }

    /// <summary>Replaces a master's or a worker's executable by that of another version, and waits until it is ready.</summary>
    /// <param name="isKilled">False = it is told to end, as systemd does.</param>
    public async Task ReplaceAsync(string host, string folder, string version, bool isKilled)
    {
        await (isKilled ? cluster.ProcessOf(host).KillAsync() : cluster.ProcessOf(host).StopAsync());
        cluster.Install(host, folder);
        var process = cluster.StartAgain(host);
        await process.LogsSoon(ChaosCluster.ReadyOf(host));
        var how = isKilled ? "killed" : "told to end";
        Say($"{host} {how}, and started as {version}; it adopted {process.CountInLog(" adopted from ")} commands");
    }

    private Task HarmAsync(string kind, int target, int other, double length)
    {
        var (worker, member, job) = (target % ChaosCluster.Workers, target % ChaosEtcd.Members, jobs[target % jobs.Count]);
        return kind switch
        {
            "kill" => KillWorkerAsync(worker, 1 + (7 * length)),
            "stall" => StallWorkerAsync(worker, 3 + (7 * length)),
            "cut" => CutWorkerAsync(worker, 3 + (10 * length)),
            "cut-member" => CutMemberAsync(member, 2 + (6 * length)),
            "kill-leader" => KillLeaderAsync(1 + (4 * length)),
            "compact" => CompactAsync(),
            "hold-store" => HoldStoreAsync(4 + (6 * length)),
            "step-clock" => StepClockAsync(worker, other, 5 + (8 * length)),
            "restart" => RestartWorkerAsync(worker),
            "kill-master" => KillMasterAsync(target % 2, 1 + (3 * length)),
            "meddle" => _meddler.MeddleAsync(job, other),
            "burst" => _meddler.BurstAsync(_queueing[target % _queueing.Count]),
            "stall-all" => StallAllAsync(12 + (2 * length), withHolders: other % 2 == 0),
            "cut-all" => CutAllAsync(7 + (5 * length)),
            "etcd-away" => TakeEtcdAwayAsync(7 + (5 * length), isKilled: other % 2 == 0),
            "stall-holder" => StallHolderAsync(worker, 2 + (18 * length)),
            _ => throw new ArgumentOutOfRangeException(
                nameof(kind), kind, $"expected one of {string.Join(' ', Short.Concat(Long).Distinct())}"),
        };
    }

    private async Task KillWorkerAsync(int n, double seconds)
    {
        Say($"kill -9 of {ChaosCluster.Worker(n)}, back after {seconds:F1} s");
        await cluster.ProcessOf(ChaosCluster.Worker(n)).KillAsync();
        await Wait(seconds);
        cluster.StartWorker(n);
    }

    private async Task StallWorkerAsync(int n, double seconds)
    {
        Say($"SIGSTOP of {ChaosCluster.Worker(n)} for {seconds:F1} s");
        cluster.ProcessOf(ChaosCluster.Worker(n)).Signal("STOP");
        await Wait(seconds);
        cluster.ProcessOf(ChaosCluster.Worker(n)).Signal("CONT");
    }

    private async Task StallAllAsync(double seconds, bool withHolders)
    {
        var workers = Enumerable.Range(0, ChaosCluster.Workers).ToList();
        List<int> stalled =
        [
            .. workers.Select(n => cluster.ProcessOf(ChaosCluster.Worker(n)).Pid),
            .. withHolders ? workers.SelectMany(cluster.HoldersOf) : [],
        ];
        Say($"SIGSTOP of all workers{(withHolders ? " and what holds their commands" : "")} for {seconds:F1} s");
        stalled.ForEach(pid => Processes.Signal(pid, "STOP"));
        await Wait(seconds);
        stalled.ForEach(pid => Processes.Signal(pid, "CONT"));
        await StartEndedWorkersAsync();
    }

    private async Task StallHolderAsync(int n, double seconds)
    {
        var holders = cluster.HoldersOf(n);
        Say($"SIGSTOP of what holds the commands of {ChaosCluster.Worker(n)} for {seconds:F1} s");
        holders.ForEach(pid => Processes.Signal(pid, "STOP"));
        await Wait(seconds);
        holders.ForEach(pid => Processes.Signal(pid, "CONT"));
        await StartEndedWorkersAsync();
    }

    /// <summary>Restarts a worker, as systemd would: a worker may give up when its holder does not answer.</summary>
    private async Task StartEndedWorkersAsync()
    {
        await Wait(1);
        foreach (var n in Enumerable.Range(0, ChaosCluster.Workers).Where(n => cluster.ProcessOf(ChaosCluster.Worker(n)).HasExited))
        {
            Say($"  {ChaosCluster.Worker(n)} had ended, and is started again");
            cluster.StartWorker(n);
        }
    }

    private async Task CutAllAsync(double seconds)
    {
        var workers = Enumerable.Range(0, ChaosCluster.Workers).Select(ChaosCluster.Worker).ToList();
        Say($"all workers cut off for {seconds:F1} s");
        await Task.WhenAll(workers.Select(cluster.Network.CutAsync));
        await Wait(seconds);
        await Task.WhenAll(workers.Select(cluster.Network.MendAsync));
    }

    private async Task TakeEtcdAwayAsync(double seconds, bool isKilled)
    {
        var members = Enumerable.Range(0, ChaosEtcd.Members).ToList();
        Say($"{(isKilled ? "kill -9" : "SIGSTOP")} of all etcd members, back after {seconds:F1} s");
        if (isKilled)
        {
            await Task.WhenAll(members.Select(cluster.Etcd.KillAsync));
            await Wait(seconds);
            members.ForEach(cluster.Etcd.Start);
        }
        else
        {
            members.ForEach(n => cluster.Etcd.Signal(n, "STOP"));
            await Wait(seconds);
            members.ForEach(n => cluster.Etcd.Signal(n, "CONT"));
        }
    }

    private async Task CutWorkerAsync(int n, double seconds)
    {
        Say($"{ChaosCluster.Worker(n)} cut off for {seconds:F1} s");
        await cluster.Network.CutAsync(ChaosCluster.Worker(n));
        await Wait(seconds);
        await cluster.Network.MendAsync(ChaosCluster.Worker(n));
    }

    private async Task CutMemberAsync(int n, double seconds)
    {
        Say($"etcd member {ChaosEtcd.NameOf(n)} cut off for {seconds:F1} s");
        await cluster.Network.CutAsync(ChaosEtcd.NameOf(n));
        await Wait(seconds);
        await cluster.Network.MendAsync(ChaosEtcd.NameOf(n));
    }

    private async Task KillLeaderAsync(double seconds)
    {
        var leader = await cluster.Etcd.FindLeaderAsync() ?? 0;
        Say($"kill -9 of etcd's leader, back after {seconds:F1} s");
        await cluster.Etcd.KillAsync(leader);
        await Wait(seconds);
        cluster.Etcd.Start(leader);
    }

    private async Task CompactAsync()
    {
        Say("compaction of etcd");
        await _meddler.TryAsync(async () =>
        {
            var answer = await cluster.Etcd.CtlAsync("get", "/cron/jobs/none", "-w", "fields");
            var revision = answer.Split('\n').Single(line => line.StartsWith("\"Revision\"", StringComparison.Ordinal)).Split(" : ")[1];
            await cluster.Etcd.CtlAsync("compaction", revision);
        });
    }

    private async Task HoldStoreAsync(double seconds)
    {
        Say($"log store gone for {seconds:F1} s");
        await cluster.HoldStoreAsync(TimeSpan.FromSeconds(seconds));
    }

    private async Task StepClockAsync(int n, int which, double seconds)
    {
        double[] steps = [-3600, -5, 5, 3600];
        var step = steps[which % steps.Length];
        Say($"clock of {ChaosCluster.Worker(n)} stepped by {step} s for {seconds:F1} s");
        cluster.StepClock(n, TimeSpan.FromSeconds(step));
        await Wait(seconds);
        cluster.StepClock(n, TimeSpan.Zero);
    }

    private async Task RestartWorkerAsync(int n)
    {
        Say($"{ChaosCluster.Worker(n)} told to end, and started again");
        await cluster.ProcessOf(ChaosCluster.Worker(n)).StopAsync();
        cluster.StartWorker(n);
    }

    private async Task KillMasterAsync(int n, double seconds)
    {
        Say($"kill -9 of {ChaosCluster.Master(n)}, back after {seconds:F1} s");
        await cluster.ProcessOf(ChaosCluster.Master(n)).KillAsync();
        await Wait(seconds);
        cluster.StartMaster(n);
    }

    private static Task Wait(double seconds) => Task.Delay(TimeSpan.FromSeconds(seconds));

    private void Say(string what) => say(AtNow(what));

    private static string AtNow(string what) => string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.UtcNow:HH:mm:ss.fff} {what}");
}
