using System.Diagnostics;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>Its tests count starts in their own second, so none of the others runs beside them.</summary>
[CollectionDefinition(nameof(MainJobTests), DisableParallelization = true)]
[Collection(nameof(MainJobTests))]
public sealed class MainJobTests
{
    private const int Jobs = 20;

    // The published figure is of 60 seconds; a shorter form shows the same every day.
    private static readonly int Seconds = int.Parse(Environment.GetEnvironmentVariable("DTS_SOAK_SECONDS") ?? "15");

    [Fact]
    public async Task A_saved_job_runs_on_the_dot_and_its_log_is_there()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);

        await cluster.SaveAsync("hello", "echo hello $DTS_JOB", "*/2 * * * * *");
        await cluster.RecordsSoon("hello", records => records.Count >= 2);
        var log = (await cluster.GetAsync("/job/log?name=hello&limit=5"))["data"]!.AsArray();

        Assert.All(log, record =>
        {
            Assert.Equal("hello hello\n", (string)record!["output"]!);
            Assert.Equal("", (string)record["err"]!);
            Assert.True(
                (long)record["planTime"]! <= (long)record["startTime"]! && (long)record["startTime"]! <= (long)record["endTime"]!,
                $"{record}");
            Assert.Equal(0, (long)record["planTime"]! % 2000);
        });
        Assert.Equal(
            log.Select(record => (long)record!["startTime"]!).OrderDescending(), log.Select(record => (long)record!["startTime"]!));
    }

    [Fact]
    public async Task A_job_put_with_etcdctl_runs_and_stops_when_it_is_deleted()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);

        await cluster.Etcd.RunCtlAsync("put", "/cron/jobs/x", """{"name":"x","command":"date","cronExpr":"* * * * * * *"}""");
        await cluster.RecordsSoon("x", records => records.Count(record => record.Status == RunStatus.Succeeded) >= 2);
        await cluster.Etcd.RunCtlAsync("del", "/cron/jobs/x");
        var deleted = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        await SecondsPass(3);

        var late = (await cluster.RecordsAsync("x")).Where(
            record => record.Status == RunStatus.Succeeded && record.StartTime > deleted + 1000);
        Assert.Empty(late);
    }

    [Fact]
    public async Task Of_jobs_every_second_on_two_workers_each_plan_time_runs_exactly_once()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);

        var window = await RunJobsAsync(cluster, atHalf: () => Task.CompletedTask);

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
    public async Task When_a_worker_is_killed_its_runs_end_as_lost_and_jobs_that_forbid_overlap_go_on_after_that()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2, "--sessionTtl", "2");

        await cluster.SaveAsync("long", "sleep 300", "* * * * * *");
        var holder = "";
        await Patience.Until(
            () => (holder = cluster.Workers.Keys.FirstOrDefault(id => cluster.Workers[id].ReadLog().Contains("long started")) ?? "") != "",
            cluster.Describe);
        await cluster.Workers[holder].KillAsync();
        var records = await cluster.RecordsSoon("long", records => records.Any(record => record.Status == RunStatus.Lost));
        var other = cluster.Workers.Keys.Single(id => id != holder);
        await cluster.Workers[other].LogsSoon("long started");

        Assert.Equal(holder, records.Single(record => record.Status == RunStatus.Lost).Worker);
        Assert.Contains(records, record => record.Status == RunStatus.Skipped);
        await cluster.PostAsync("/job/delete", "name", "long");
        await cluster.PostAsync("/job/kill", "name", "long");
        await cluster.RecordsSoon("long", all => all.Any(record => record.Status == RunStatus.Killed));
        var back = await cluster.StartWorkerAsync(holder);

        // What goes on there is still followed, as that of a worker that was only cut off would be.
        await back.LogsSoon("adopted from the process before this one");
        await back.LogsSoon("it goes on, and its true ending will be recorded");
        Assert.Single(cluster.CommandsAlive());
    }

    [Theory]
    [InlineData("pipe",   "echo begun; sleep 300 | cat")]
    [InlineData("daemon", "echo begun; (setsid bash -c 'sleep 300 & sleep 300' &); sleep 300")]
    [InlineData("deaf",   "trap '' TERM; echo begun; while true; do sleep 1; done")]
    public async Task A_kill_leaves_nothing_of_a_command_and_keeps_its_output(string name, string command)
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        await cluster.SaveAsync(name, command, "* * * * * *", new { killGraceSeconds = 1 });
        await Patience.Until(() => cluster.CommandsAlive().Count >= 2, cluster.Describe);

        await cluster.PostAsync("/job/delete", "name", name);
        await cluster.PostAsync("/job/kill", "name", name);
        var records = await cluster.RecordsSoon(name, records => records.Any(record => record.Status == RunStatus.Killed));

        Assert.Empty(cluster.CommandsAlive());
        Assert.Equal("begun\n", records.Single(record => record.Status == RunStatus.Killed).Output);
        await Patience.Until(
            () => cluster.Etcd.RunCtlAsync("get", "--prefix", "/cron/killer/").Result == "", () => "the kill request stands unanswered");
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
        var records = await cluster.RecordsSoon(
            "second", records => records.Count(record => record.PlanTime > back + 2000 && record.Status == RunStatus.Succeeded) >= 3);

        AssertNoStartTwice(cluster);
        var from = records.Min(record => record.PlanTime);
        Assert.Equal((records.Max(record => record.PlanTime) - from) / 1000 + 1, records.Sum(record => Math.Max(1, record.MissedCount)));
        Assert.All(cluster.Workers.Values, worker =>
        {
            Assert.False(worker.HasExited);
            Assert.Equal(1, worker.CountInLog("etcd is unreachable"));
            Assert.Equal(1, worker.CountInLog("etcd is back"));
        });
        Assert.False(cluster.Master.HasExited);
    }

    [Fact]
    public async Task A_run_that_finds_no_slot_until_its_deadline_ends_as_missed_and_a_drain_does_not_wait_for_it()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1, "--slots", "1", "--drain", "--drainTimeout", "1");
        await cluster.SaveAsync("hog", "sleep 300", "* * * * * *");
        await cluster.Workers["w1"].LogsSoon("hog started");

        await cluster.SaveAsync("waits", "echo too late", "*/3 * * * * *", new { startDeadlineSeconds = 1 });
        var records = await cluster.RecordsSoon("waits", records => records.Any(record => record.Status == RunStatus.Missed));
        var exitCode = await cluster.Workers["w1"].StopAsync();

        Assert.DoesNotContain(records, record => record.Status == RunStatus.Succeeded);
        Assert.Equal(0, exitCode);
        Assert.Contains(
            await cluster.RecordsAsync("hog"), record => record.Status == RunStatus.Killed && record.Err.Contains("drainTimeout"));
    }

    [Fact]
    public async Task A_job_that_cannot_be_read_is_named_and_disturbs_no_other()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);

        await cluster.Etcd.RunCtlAsync("put", "/cron/jobs/odd", """{"name":"odd","command":"date","cronExpr":"* * * * * *","\ud800":1}""");
        await cluster.Etcd.RunCtlAsync("put", "/cron/runs/odd", "no run");
        await cluster.SaveAsync("even", "echo even", "* * * * * *");

        await cluster.RecordsSoon("even", records => records.Count >= 2);
        await cluster.Workers["w1"].LogsSoon("odd cannot run: ");
        Assert.Single((await cluster.GetAsync("/job/list"))["data"]!.AsArray());
    }

    [Fact]
    public async Task The_executables_take_decomposed_and_composed_names_for_one_job()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);

        await cluster.SaveAsync("e\u0301t\u00e9", "echo apart", "* * * * * *");
        await cluster.SaveAsync("\u00e9t\u00e9", "echo composed", "* * * * * *");

        await cluster.RecordsSoon("\u00e9t\u00e9", records => records.Any(record => record.Output == "composed\n"));
        Assert.Equal("\u00e9t\u00e9", (string)Assert.Single((await cluster.GetAsync("/job/list"))["data"]!.AsArray())!["name"]!);
    }

    [Fact]
    public async Task Told_to_end_a_worker_that_drains_lets_its_command_finish_records_it_and_hands_back_its_session()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1, "--drain");
        await cluster.SaveAsync("slow", "sleep 2; echo done", "* * * * * *");
        await cluster.Workers["w1"].LogsSoon("slow started");

        var exitCode = await cluster.Workers["w1"].StopAsync();
        var records = await cluster.RecordsAsync("slow");

        Assert.Equal(0, exitCode);
        Assert.Equal("done\n", Assert.Single(records, record => record.Status == RunStatus.Succeeded).Output);
        Assert.Equal("", await cluster.Etcd.RunCtlAsync("get", "--prefix", "/cron/workers/"));
        Assert.Equal("", await cluster.Etcd.RunCtlAsync("get", "--prefix", "/cron/runs/"));
        Assert.Equal(0, await cluster.Master.StopAsync());
    }

    [Fact]
    public async Task Records_that_could_not_be_shipped_before_a_kill_are_there_after_a_restart()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1, "--jobLogCommitTimeout", "3600000");
        await cluster.SaveAsync("kept", "echo kept", "* * * * * *");
        await Patience.Until(() => cluster.Workers["w1"].CountInLog("kept succeeded") >= 3, cluster.Describe);

        await cluster.Workers["w1"].KillAsync();
        Assert.Empty(await cluster.RecordsAsync("kept"));
        await cluster.StartWorkerAsync("w1");
        var records = await cluster.RecordsSoon("kept", records => records.Count >= 3);

        Assert.Equal(records.Count, records.DistinctBy(record => record.PlanTime).Count());
    }

    private static string Append(NativeCluster cluster) =>
        $"echo $DTS_JOB $DTS_PLAN_TIME $DTS_ATTEMPT $DTS_FENCING_TOKEN $DTS_WORKER >> {cluster.Witness}";

    /// <summary>Runs the jobs for a number of whole seconds and returns which, in milliseconds; after that they are deleted.</summary>
    private static async Task<(long From, long To)> RunJobsAsync(NativeCluster cluster, Func<Task> atHalf, string overlap = "forbid")
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
