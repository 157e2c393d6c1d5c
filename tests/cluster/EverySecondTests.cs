using System.Diagnostics;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>Jobs that are due every second. Their starts are counted in their own second, so no other test runs beside these.</summary>
[CollectionDefinition(nameof(EverySecondTests), DisableParallelization = true)]
[Collection(nameof(EverySecondTests))]
public sealed class EverySecondTests
{
    private const int Jobs = 20;

    // The published figure is of 60 seconds; a shorter form shows the same every day.
    private static readonly int Seconds = int.Parse(Environment.GetEnvironmentVariable("DTS_SOAK_SECONDS") ?? "15");

    [Fact]
    public async Task Of_jobs_every_second_on_two_workers_each_plan_time_runs_exactly_once()
    {
        // With a slot for each job and overlap allowed, a host that stands still for a moment delays a run and misses or skips none.
        await using var cluster = await NativeCluster.StartAsync(workers: 2, "--slots", "50");

        var window = await RunJobsAsync(cluster, overlap: "allow", atHalf: () => Task.CompletedTask);
        await AllAccountedFor(cluster, window);

        var records = await RecordsOf(cluster, window);
        Assert.Equal(Jobs * Seconds, records.Count);
        Assert.All(records, record => Assert.Equal(RunStatus.Succeeded, record.Status));
        Assert.Equal(Jobs * Seconds, records.DistinctBy(record => (record.JobName, record.PlanTime)).Count());
        Assert.Equal(2, records.Select(record => record.Worker).Distinct().Count());
        AssertNoStartTwice(cluster);
    }

    [Fact]
    public async Task When_a_worker_is_killed_the_other_runs_every_later_fire_on_time_and_none_twice()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2, "--slots", "100");
        var killed = 0L;

        var window = await RunJobsAsync(cluster, overlap: "allow", atHalf: async () =>
        {
            await cluster.Workers["w1"].KillAsync();
            killed = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        });

        // It had claimed up to a second ahead.
        var later = (await RecordsOf(cluster, window)).Where(record => record.PlanTime > killed + 1000).ToList();
        var expected = (window.To - ((killed + 1000) / 1000 * 1000)) / 1000;
        Assert.True(later.Count >= Jobs * (expected - 1), $"{later.Count} records of {Jobs} jobs in {expected} s");
        Assert.All(later, record => Assert.Equal(RunStatus.Succeeded, record.Status));
        // Of its own second: not a later rank's, after the fact.
        Assert.All(later, record => Assert.InRange(record.StartTime - record.PlanTime, 0, 999));
        AssertNoStartTwice(cluster);
        await cluster.StartWorkerAsync("w1"); // What it had recorded and not yet shipped is in its spool.
        await AllAccountedFor(cluster, window);
    }

    [Fact]
    public async Task An_etcd_that_is_away_for_ten_seconds_stops_nothing_for_good_and_doubles_nothing()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2, "--slots", "50");
        await cluster.SaveAsync("second", Append(cluster), "* * * * * *");
        await cluster.SaveAsync("through", $"sleep 14; echo done", "*/30 * * * * *", new { overlap = "allow" });
        await cluster.RecordsSoon("second", records => records.Count >= 2);

        await cluster.Etcd.StopAsync();
        await SecondsPass(10);
        await cluster.Etcd.StartAsync();
        var back = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        await cluster.RecordsSoon(
            "second",
            records => records.Count(record => record.PlanTime > back + 2000 && record.Status == RunStatus.Succeeded) >= 3
                && SecondsOf(records) == records.Sum(record => Math.Max(1, record.MissedCount)));

        AssertNoStartTwice(cluster);
        Assert.All(cluster.Workers.Values, worker =>
        {
            Assert.False(worker.HasExited);
            Assert.Equal(1, worker.CountInLog("etcd is unreachable"));
            Assert.Equal(1, worker.CountInLog("etcd is back"));
        });
        Assert.False(cluster.Master.HasExited);

        // From the first plan time to the last.
        static long SecondsOf(IReadOnlyList<RunRecord> records) =>
            ((records.Max(record => record.PlanTime) - records.Min(record => record.PlanTime)) / 1000) + 1;
    }

    private static string Append(NativeCluster cluster) =>
        $"echo $DTS_JOB $DTS_PLAN_TIME $DTS_ATTEMPT $DTS_FENCING_TOKEN $DTS_WORKER >> {cluster.Witness}";

    /// <summary>Runs the jobs for a number of whole seconds and returns which, in milliseconds; after that they are deleted.</summary>
    private static async Task<(long From, long To)> RunJobsAsync(NativeCluster cluster, string overlap, Func<Task> atHalf)
    {
        for (var n = 0; n < Jobs; n++)
        {
            await cluster.SaveAsync($"job-{n}", Append(cluster), "* * * * * *", new { overlap });
        }

        var from = (DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 2) * 1000;
        var to = from + (Seconds * 1000);
        await TimeIs(from + (Seconds * 500) + 300);
        await atHalf();
        await TimeIs(to + 300);
        for (var n = 0; n < Jobs; n++)
        {
            await cluster.PostAsync("/job/delete", "name", $"job-{n}");
        }

        return (from, to);
    }

    /// <summary>The records of the plan times in a window, when no run is in flight any more and all has been shipped.</summary>
    private static async Task<List<RunRecord>> RecordsOf(NativeCluster cluster, (long From, long To) window)
    {
        var all = new List<RunRecord>();
        for (var n = 0; n < Jobs; n++)
        {
            var records = await cluster.RecordsSoon($"job-{n}", records => records.Any(record => record.PlanTime >= window.To - 1000));
            all.AddRange(records.Where(record => record.PlanTime >= window.From && record.PlanTime < window.To));
        }

        return all;
    }

    /// <summary>Every plan time of every job has exactly one ending, when the lost runs have been found.</summary>
    private static async Task AllAccountedFor(NativeCluster cluster, (long From, long To) window)
    {
        var due = (window.To - window.From) / 1000;
        for (var n = 0; n < Jobs; n++)
        {
            var records = await cluster.RecordsSoon(
                $"job-{n}", records => Within(records).Sum(record => Math.Max(1, record.MissedCount)) == due);
            Assert.Equal(Within(records).Count(), Within(records).DistinctBy(record => record.PlanTime).Count());
        }

        IEnumerable<RunRecord> Within(IReadOnlyList<RunRecord> records) =>
            records.Where(record => record.PlanTime >= window.From && record.PlanTime < window.To);
    }

    private static void AssertNoStartTwice(NativeCluster cluster)
    {
        var starts = cluster.ReadWitness();
        Assert.NotEmpty(starts);
        Assert.Empty(starts.GroupBy(line => (Job: line[0], Plan: line[1])).Where(start => start.Count() > 1).Select(start => start.Key));
    }

    private static Task SecondsPass(int seconds) => TimeIs(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + (seconds * 1000));

    /// <summary>Waits for a time of the clock, which is what these jobs are about.</summary>
    private static async Task TimeIs(long unixMs)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        var deadline = Stopwatch.StartNew();
        while (DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() < unixMs)
        {
            Assert.True(deadline.Elapsed < TimeSpan.FromMinutes(3), "the clock stands still");
            await timer.WaitForNextTickAsync();
        }
    }
}
