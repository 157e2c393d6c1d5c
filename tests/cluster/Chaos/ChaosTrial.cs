using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>Starts a cluster with jobs, lets a test harm it, and judges what it did.</summary>
internal static class ChaosTrial
{
    private static readonly TimeSpan BackToNormalWithin = TimeSpan.FromSeconds(30);

    private static readonly int Seed = ChaosSettings.Seed;

    /// <param name="folder">The executables that the cluster starts with.</param>
    /// <param name="harm">Harms the cluster until a time, and mends it.</param>
    public static async Task RunAsync(string folder, Func<Nemesis, DateTimeOffset, ChaosCluster, Task> harm)
    {
        var tokens = ChaosSettings.Tokens;
        List<string> said =
        [
            $"seed {Seed}, {ChaosSettings.Minutes} minutes"
                + (tokens == EtcdTokens.None ? "" : $", etcd with users and {tokens} tokens of five seconds"),
        ];
        await using var cluster = await ChaosCluster.StartAsync(tokens, folder);
        try
        {
            await RunAsync(cluster, said, harm);
        }
        catch (Exception)
        {
            if (ChaosSettings.KeepAt.Length > 0)
            {
                cluster.KeepAt(ChaosSettings.KeepAt);
            }

            throw;
        }
        finally
        {
            TestContext.Current.TestOutputHelper?.WriteLine(string.Join('\n', said));
            Console.WriteLine(string.Join('\n', said));
        }
    }

    private static async Task RunAsync(
        ChaosCluster cluster, List<string> said, Func<Nemesis, DateTimeOffset, ChaosCluster, Task> harm)
    {
        var jobs = ChaosJobs.Make(cluster);
        var from = DateTimeOffset.UtcNow;
        foreach (var job in jobs)
        {
            await cluster.SaveAsync(job);
        }

        var nemesis = new Nemesis(cluster, jobs, ChaosSettings.Faults, new Random(Seed), said.Add);
        await harm(nemesis, from.AddMinutes(ChaosSettings.Minutes), cluster);
        foreach (var job in jobs)
        {
            await InsistAsync(() => cluster.SaveAsync(job)); // As at first, whatever was done to it.
        }

        var abnormal = await FindLastingAbnormalAsync(cluster);
        said.AddRange(abnormal.Length > 0 ? [$"  {abnormal}"] : []);
        var to = DateTimeOffset.UtcNow;
        foreach (var job in jobs)
        {
            await InsistAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/pause"));
        }

        await AllOverAsync(cluster);
        await AllRecordedAsync(cluster, jobs, from, to);

        await JudgeAsync(cluster, jobs, from, to, said);
        Assert.True(abnormal.Length == 0, abnormal);
    }

    private static async Task JudgeAsync(
        ChaosCluster cluster, List<Job> jobs, DateTimeOffset from, DateTimeOffset to, List<string> said)
    {
        var records = new List<RunRecord>();
        var ledgers = new Dictionary<string, IReadOnlyList<LedgerLine>>();
        foreach (var job in jobs)
        {
            records.AddRange(await cluster.RecordsAsync(job.Name));
            ledgers[job.Name] = await InsistAsync(() => cluster.LedgerAsync(job.Name, from, to));
        }

        // A watch of what is declared lost may miss some, if etcd was compacted meanwhile.
        var lost = records.Where(record => record.Status == RunStatus.Lost || record.LostAt > 0).Select(record => record.Id);
        var starts = cluster.ReadWitness();
        var faults = Judge.FindFaults(new Evidence(jobs, starts, records)
        {
            Ledgers = ledgers,
            Counters = jobs.Where(ChaosJobs.IsCounter).Select(job => job.Name).ToHashSet(),
            Counts = cluster.ReadCounters(),
            Lost = cluster.LostRuns.Union(lost).ToHashSet(),
        });

        said.Add($"  planned {ledgers.Values.Sum(lines => lines.Count)}, runs started {starts.Count}, endings: "
            + string.Join(
                ", ",
                records
                    .GroupBy(record => record.Status)
                    .OrderBy(group => group.Key)
                    .Select(group => $"{group.Key.Word()} {group.Sum(record => Math.Max(1, record.MissedCount))}")));
        said.AddRange(faults.Take(50).Select(fault => $"  FAULT {fault}"));
        Assert.True(
            faults.Count == 0, $"{faults.Count} faults, seed {Seed}:\n{string.Join('\n', faults.Take(20))}\n{string.Join('\n', said)}");
    }

    /// <summary>
    /// Waits until all workers are there, and every job that fires each second has started within the last three, without a restart of
    /// anything.
    /// </summary>
    /// <returns>What is not so in the end; empty = all is.</returns>
    private static async Task<string> FindLastingAbnormalAsync(ChaosCluster cluster)
    {
        var mended = DateTimeOffset.UtcNow;
        var missing = "";
        while ((missing = await FindAbnormalAsync(cluster)).Length > 0)
        {
            var workers = Enumerable.Range(0, ChaosCluster.Workers).Select(ChaosCluster.Worker).ToList();
            var ended = workers.Where(worker => cluster.LogOf(worker).Contains("Unhandled exception", StringComparison.Ordinal)).ToList();
            if (DateTimeOffset.UtcNow >= mended + BackToNormalWithin)
            {
                return (ended.Count > 0 ? $"{ended.Count} faults, seed {Seed}: {string.Join(' ', ended)} ended by an exception\n" : "")
                    + $"seed {Seed}: not back to normal within {BackToNormalWithin.TotalSeconds} s: {missing}\n"
                    + string.Join('\n', workers.Select(worker => $"--- {worker}\n{Tail(cluster.LogOf(worker))}"));
            }

            await Task.Delay(TimeSpan.FromMilliseconds(250));
        }

        return "";
    }

    /// <summary>A cluster that is just coming back may refuse for a moment.</summary>
    private static async Task<T> InsistAsync<T>(Func<Task<T>> ask)
    {
        for (var deadline = DateTimeOffset.UtcNow + BackToNormalWithin; ;)
        {
            try
            {
                return await ask();
            }
            catch (Exception refused) when (refused is HttpRequestException or TaskCanceledException && DateTimeOffset.UtcNow < deadline)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(250));
            }
        }
    }

    private static Task<bool> InsistAsync(Func<Task> ask) => InsistAsync(async () =>
    {
        await ask();
        return true;
    });

    private static string Tail(string log) => string.Join('\n', log.Split('\n').TakeLast(25));

    private static async Task<string> FindAbnormalAsync(ChaosCluster cluster)
    {
        JsonArray workers;
        try
        {
            workers = (await cluster.AskAsync("/api/v1/workers", method: HttpMethod.Get))!["workers"]!.AsArray();
        }
        catch (Exception refused) when (refused is HttpRequestException or TaskCanceledException)
        {
            return refused.Message;
        }

        if (workers.Count < ChaosCluster.Workers)
        {
            return $"only {string.Join(' ', workers.Select(worker => worker!["id"]))} are registered";
        }

        var recent = cluster.ReadWitness().Where(start => start.At > DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0 - 3).ToList();
        var silent = Enumerable.Range(0, ChaosJobs.EverySecond)
            .SelectMany(n => new[] { $"second-{n}", $"beside-{n}" })
            .Except(recent.Select(start => start.Job))
            .ToList();
        var idle = Enumerable.Range(0, ChaosCluster.Workers)
            .Select(ChaosCluster.Worker)
            .Except(recent.Select(start => start.Worker))
            .ToList();
        return silent.Count > 0 ? $"{string.Join(' ', silent)} do not run" : idle.Count > 0 ? $"{string.Join(' ', idle)} run nothing" : "";
    }

    private static async Task<string> FindLeftAsync(ChaosCluster cluster)
    {
        try
        {
            string[] keys = ["runs", "queue", "owed"];
            var left = await Task.WhenAll(keys.Select(what => cluster.Etcd.CtlAsync("get", "--prefix", "--keys-only", $"/cron/{what}/")));
            return string.Concat(left).Trim() is { Length: > 0 } found ? found
                : cluster.CommandsAlive() is { Count: > 0 } alive ? $"processes {string.Join(' ', alive)}"
                : "";
        }
        catch (Xunit.Sdk.XunitException slow)
        {
            return slow.Message; // etcdctl gives up after five seconds, which a busy machine may take.
        }
    }

    /// <summary>Nothing is in flight, in the queue or owed any more, and no process of any run is left.</summary>
    private static async Task AllOverAsync(ChaosCluster cluster)
    {
        var left = "";
        var deadline = DateTimeOffset.UtcNow.AddSeconds(150);
        do
        {
            Assert.True(DateTimeOffset.UtcNow < deadline, $"seed {Seed}: still there: {left}");
            await Task.Delay(TimeSpan.FromMilliseconds(500));
            left = await FindLeftAsync(cluster);
        }
        while (left.Length > 0);
    }

    /// <summary>The shippers' last batches have arrived. What has no record by then is for the judge.</summary>
    private static async Task AllRecordedAsync(ChaosCluster cluster, List<Job> jobs, DateTimeOffset from, DateTimeOffset to)
    {
        var started = cluster.ReadWitness();
        var deadline = DateTimeOffset.UtcNow + BackToNormalWithin;
        while (DateTimeOffset.UtcNow < deadline
            && !(await AreRecordedAsync(cluster, started) && await AreLedgersWellAsync(cluster, jobs, from, to)))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(250));
        }
    }

    private static async Task<bool> AreRecordedAsync(ChaosCluster cluster, IReadOnlyList<Start> starts)
    {
        foreach (var job in starts.GroupBy(start => start.Job))
        {
            var recorded = (await cluster.RecordsAsync(job.Key)).Select(record => record.Id).ToHashSet();
            if (job.Any(start => !recorded.Contains(start.Id)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Also of what never started, such as a missed run.</summary>
    private static async Task<bool> AreLedgersWellAsync(ChaosCluster cluster, List<Job> jobs, DateTimeOffset from, DateTimeOffset to)
    {
        foreach (var job in jobs)
        {
            if ((await InsistAsync(() => cluster.LedgerAsync(job.Name, from, to))).Any(line => line.Fault.Length > 0))
            {
                return false;
            }
        }

        return true;
    }
}
