using System.Globalization;
using Dts.Common.Jobs;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>Harms a cluster, one fault after the other, and mends what it did; the same seed gives the same faults.</summary>
/// <param name="faults">Which faults, by the names below; empty = all.</param>
internal sealed class Nemesis(ChaosCluster cluster, IReadOnlyList<Job> jobs, IReadOnlyList<string> faults, Random random, Action<string> say)
{
    // Some twice: they come twice as often.
    private static readonly string[] All =
        ["kill", "kill", "stall", "cut", "cut", "cut-member", "kill-leader", "compact", "hold-store", "step-clock", "restart", "kill-master", "meddle"];

    private readonly HashSet<string> _paused = [];

    /// <summary>Goes on until the time is over; then everything has been mended.</summary>
    public async Task RunAsync(DateTimeOffset until)
    {
        while (DateTimeOffset.UtcNow < until)
        {
            // Drawn whole before anything happens, so that what the cluster does to a fault does not change the next.
            var kinds = faults.Count > 0 ? faults : All;
            var (kind, target, other, length) = (kinds[random.Next(kinds.Count)], random.Next(1000), random.Next(1000), random.NextDouble());
            var pause = 1 + (3 * random.NextDouble());
            await HarmAsync(kind, target, other, length);
            await Task.Delay(TimeSpan.FromSeconds(pause));
        }

        foreach (var job in _paused)
        {
            await TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job}/resume"));
        }
    }

    private Task HarmAsync(string kind, int target, int other, double length)
    {
        var (worker, member, job) = (target % ChaosCluster.Workers, target % ChaosCluster.Members, jobs[target % jobs.Count]);
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
            "meddle" => MeddleAsync(job, other),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, $"expected one of {string.Join(' ', All.Distinct())}"),
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

    private async Task CutWorkerAsync(int n, double seconds)
    {
        Say($"{ChaosCluster.Worker(n)} cut off for {seconds:F1} s");
        await cluster.Network.CutAsync(ChaosCluster.Worker(n));
        await Wait(seconds);
        await cluster.Network.MendAsync(ChaosCluster.Worker(n));
    }

    private async Task CutMemberAsync(int n, double seconds)
    {
        Say($"etcd member {ChaosCluster.Member(n)} cut off for {seconds:F1} s");
        await cluster.Network.CutAsync(ChaosCluster.Member(n));
        await Wait(seconds);
        await cluster.Network.MendAsync(ChaosCluster.Member(n));
    }

    private async Task KillLeaderAsync(double seconds)
    {
        var leader = await cluster.FindLeaderAsync() ?? 0;
        Say($"kill -9 of etcd's leader, back after {seconds:F1} s");
        await cluster.KillMemberAsync(leader);
        await Wait(seconds);
        cluster.StartMember(leader);
    }

    private async Task CompactAsync()
    {
        Say("compaction of etcd");
        await TryAsync(async () =>
        {
            var answer = await cluster.CtlAsync("get", "/cron/jobs/none", "-w", "fields");
            var revision = answer.Split('\n').Single(line => line.StartsWith("\"Revision\"", StringComparison.Ordinal)).Split(" : ")[1];
            await cluster.CtlAsync("compaction", revision);
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

    private Task MeddleAsync(Job job, int which)
    {
        switch (which % 6)
        {
            case 0:
                Say($"{job.Name} edited");
                return TryAsync(() => cluster.SaveAsync(job with { Enabled = !_paused.Contains(job.Name), Description = $"edit {which}" }));
            case 1 when _paused.Remove(job.Name):
                Say($"{job.Name} resumed");
                return TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/resume"));
            case 1:
                Say($"{job.Name} paused");
                _paused.Add(job.Name);
                return TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/pause"));
            case 2:
                Say($"{job.Name} deleted and saved again");
                _paused.Remove(job.Name);
                return TryAsync(async () =>
                {
                    await cluster.AskAsync($"/api/v1/jobs/{job.Name}", method: HttpMethod.Delete);
                    await cluster.SaveAsync(job);
                });
            case 3:
                Say($"{job.Name} killed");
                return TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/kill"));
            case 4:
                Say($"{job.Name} given another schedule, and its own again");
                _paused.Remove(job.Name);
                return TryAsync(async () =>
                {
                    await cluster.SaveAsync(job with { CronExpr = "*/7 * * * * *" });
                    await cluster.SaveAsync(job);
                });
            default:
                Say($"{job.Name} run by hand");
                return TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/run"));
        }
    }

    /// <summary>What is asked of a cluster that is being harmed may be refused; that is said, and harmless.</summary>
    private async Task TryAsync(Func<Task> ask)
    {
        try
        {
            await ask();
        }
        catch (Exception refused)
        {
            Say($"  refused: {refused.Message}");
        }
    }

    private static Task Wait(double seconds) => Task.Delay(TimeSpan.FromSeconds(seconds));

    private void Say(string what) => say(string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.UtcNow:HH:mm:ss.fff} {what}"));
}
