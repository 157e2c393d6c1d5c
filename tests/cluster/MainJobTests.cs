using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

public sealed class MainJobTests
{
    private const string Never = "0 0 0 1 1 * 2099";

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
        await cluster.SaveAsync("after", "true", "* * * * * *");
        var after = await cluster.RecordsSoon(
            "after", records => records.Select(record => record.PlanTime) is var times && times.Any() && times.Max() >= times.Min() + 4000);

        // When the worker heard of the later job, it knew that x is deleted, and may have claimed it for up to a second ahead.
        var heard = after.Min(record => record.PlanTime);
        Assert.DoesNotContain(
            await cluster.RecordsAsync("x"), record => record.Status == RunStatus.Succeeded && record.PlanTime > heard + 1000);
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
        await cluster.SaveAsync("slow", "sleep 2; echo done", Never);
        await cluster.CallAsync("/api/v1/jobs/slow/run");
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
}
