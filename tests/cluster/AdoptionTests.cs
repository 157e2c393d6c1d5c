using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>Running commands outlive their worker's process, and the next one takes them over.</summary>
public sealed class AdoptionTests
{
    private const string Never = "0 0 0 1 1 * 2099";
    private const string Counts = "for i in $(seq 40); do echo $i; sleep 0.1; done";
    private static readonly string AllCounted = string.Concat(Enumerable.Range(1, 40).Select(n => $"{n}\n"));

    [Theory]
    [InlineData("restarted")]
    [InlineData("killed -9")]
    public async Task A_command_goes_on_when_its_worker_is_restarted_and_its_run_and_output_are_whole(string how)
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1, "--sessionTtl", "30");
        await cluster.SaveAsync("counts", $"echo x >> {cluster.Witness}; {Counts}", "@at " + Soon(), new { onDisconnect = "kill" });
        await cluster.Workers["w1"].LogsSoon("counts started");

        await StopAsync(cluster, how);
        var next = await cluster.StartWorkerAsync("w1");
        var record = Assert.Single(await cluster.RecordsSoon("counts", records => records.Count > 0));

        Assert.Equal(1, next.CountInLog("adopted from the process before this one"));
        Assert.Equal((RunStatus.Succeeded, AllCounted), (record.Status, record.Output));
        Assert.Single(cluster.ReadWitness());
        Assert.Equal(AllCounted.Length, (await cluster.BytesAsync($"/api/v1/runs/{record.Id}/output", AllCounted.Length)).Length);
        await Patience.Until(async () => await cluster.Etcd.RunCtlAsync("get", "--prefix", "/cron/runs/") == "", cluster.Describe);
    }

    [Theory]
    [InlineData("restarted")]
    [InlineData("killed -9")]
    public async Task A_command_that_ends_while_no_worker_is_there_has_its_true_ending_once_one_is(string how)
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        var go = Path.Combine(cluster.Folder, "go");
        await cluster.SaveAsync("short", $"until test -e {go}; do sleep 0.1; done; echo done; exit 3", "@at " + Soon());
        await cluster.Workers["w1"].LogsSoon("short started");

        await StopAsync(cluster, how);
        var gone = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        File.WriteAllText(go, "");
        await Patience.Until(
            () => Directory.GetFiles(Path.Combine(cluster.Folder, "w1", "holders"), "*.ended").Any(file => new FileInfo(file).Length > 0),
            () => "the holder left no endings");
        var seen = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        await cluster.StartWorkerAsync("w1");
        var record = Assert.Single(await cluster.RecordsSoon("short", records => records.Count > 0));

        Assert.Equal((RunStatus.Failed, "exit status 3", "done\n"), (record.Status, record.Err, record.Output));
        Assert.InRange(record.EndTime, gone, seen);
        await Patience.Until(
            () => Directory.GetFiles(Path.Combine(cluster.Folder, "w1", "holders"), "*.ended").All(file => new FileInfo(file).Length == 0),
            () => "the endings stay");
    }

    [Fact]
    public async Task Commands_that_end_while_no_worker_is_there_free_their_slots()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1, "--slots", "3");
        var at = "@at " + Soon();
        string[] jobs = ["one", "two", "three"];
        foreach (var job in jobs)
        {
            await cluster.SaveAsync(job, "sleep 5", at);
        }

        await cluster.SaveAsync("long", "sleep 300", Never);
        await cluster.SaveAsync("next", "echo next", Never);
        await Patience.Until(() => cluster.CommandsAlive().Count == 3, cluster.Describe);

        await cluster.Workers["w1"].KillAsync();
        await Patience.Until(() => cluster.CommandsAlive().Count == 0, cluster.Describe);
        await cluster.StartWorkerAsync("w1");
        foreach (var job in jobs)
        {
            Assert.Single(await cluster.RecordsSoon(job, records => records.Count > 0));
        }

        await cluster.CallAsync("/api/v1/jobs/long/run");
        await cluster.Workers["w1"].LogsSoon("long started");
        await cluster.CallAsync("/api/v1/jobs/next/run");

        Assert.Single(await cluster.RecordsSoon("next", records => records.Count > 0));
    }

    [Fact]
    public async Task A_command_that_times_out_while_no_worker_is_there_has_its_processes_in_the_record()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        await cluster.SaveAsync("hangs", "sleep 300 | cat", "@at " + Soon(), new { timeoutSeconds = 6, killGraceSeconds = 1 });
        await cluster.Workers["w1"].LogsSoon("hangs started");

        await cluster.Workers["w1"].KillAsync();
        await Patience.Until(
            () => Directory.GetFiles(Path.Combine(cluster.Folder, "w1", "holders"), "*.ended").Any(file => new FileInfo(file).Length > 0),
            () => "the holder left no endings");
        await cluster.StartWorkerAsync("w1");
        var record = Assert.Single(await cluster.RecordsSoon("hangs", records => records.Count > 0));

        Assert.Equal(RunStatus.TimedOut, record.Status);
        Assert.Equal(["/bin/bash -c sleep 300 | cat", "cat", "sleep 300"], record.Processes!.Select(process => process.Command).Order());
    }

    [Fact]
    public async Task A_run_that_others_declared_lost_meanwhile_goes_on_and_its_true_ending_replaces_lost()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2, "--sessionTtl", "2");
        await cluster.SaveAsync("long", "sleep 12; echo done", "@at " + Soon(), new { target = new { workers = new[] { "w1" } } });
        await cluster.Workers["w1"].LogsSoon("long started");

        await cluster.Workers["w1"].KillAsync();
        await cluster.RecordsSoon("long", records => records.Any(record => record.Status == RunStatus.Lost));
        await cluster.StartWorkerAsync("w1");
        var record = Assert.Single(await cluster.RecordsSoon("long", records => records.All(record => record.Status != RunStatus.Lost)));

        Assert.Equal((RunStatus.Succeeded, "done\n"), (record.Status, record.Output));
        Assert.True(record.LostAt > 0);
    }

    [Fact]
    public async Task Of_a_worker_that_is_gone_what_must_not_overlap_is_killed_before_others_may_take_over()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1, "--sessionTtl", "12");
        var killed = Path.Combine(cluster.Folder, "killed");
        await cluster.SaveAsync(
            "careful",
            $"trap 'echo $EPOCHREALTIME >{killed}; exit' TERM; sleep 300 & wait",
            "@at " + Soon(),
            new { onDisconnect = "kill", killGraceSeconds = 3 });
        await cluster.SaveAsync("other", "sleep 300", "@at " + Soon());
        await cluster.Workers["w1"].LogsSoon("careful started");
        await cluster.Workers["w1"].LogsSoon("other started");
        await Patience.Until(() => cluster.CommandsAlive().Count == 3, cluster.Describe);

        var gone = DateTimeOffset.UtcNow;
        await cluster.Workers["w1"].KillAsync();
        await Patience.Until(() => cluster.CommandsAlive().Count == 1, () => "the careful one is still there");

        var killedAt = double.Parse(File.ReadAllText(killed), System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(killedAt - (gone.ToUnixTimeMilliseconds() / 1000.0), 0, 12);
    }

    [Fact]
    public async Task An_adopted_run_is_killed_when_asked()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        await cluster.SaveAsync("hangs", $"echo begun; echo x >>{cluster.Witness}; sleep 300", "@at " + Soon());
        await cluster.Workers["w1"].LogsSoon("hangs started");

        await cluster.Workers["w1"].KillAsync();
        await cluster.StartWorkerAsync("w1");
        await Patience.Until(() => cluster.ReadWitness().Count == 1, cluster.Describe);
        await cluster.CallAsync("/api/v1/jobs/hangs/kill");
        var record = Assert.Single(await cluster.RecordsSoon("hangs", records => records.Count > 0));

        Assert.Equal((RunStatus.Killed, "begun\n"), (record.Status, record.Output));
        Assert.Empty(cluster.CommandsAlive());
    }

    [Fact]
    public async Task Without_the_process_that_holds_its_commands_a_worker_kills_them_and_goes_on_with_a_new_one()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        var apart = Path.Combine(cluster.Folder, "apart"); // In a group of its own, so the kill of the command's group leaves it.
        await cluster.SaveAsync(
            "hangs", $"(trap '' TERM; setsid sh -c 'touch {apart}; exec sleep 301') & sleep 300; sleep 302", "@at " + Soon());
        await cluster.SaveAsync("next", "echo next", Never);
        await Patience.Until(() => File.Exists(apart), cluster.Describe);

        var holder = Assert.Single(Processes.Running($"hold {cluster.Folder}"));
        Processes.Kill(holder);
        var record = Assert.Single(await cluster.RecordsSoon("hangs", records => records.Count > 0));
        await Patience.Until(() => cluster.CommandsAlive().Count == 0, cluster.Describe);
        await cluster.CallAsync("/api/v1/jobs/next/run");
        var next = Assert.Single(await cluster.RecordsSoon("next", records => records.Count > 0));

        Assert.Equal(RunStatus.Lost, record.Status);
        const string Why =
            @"^the process that held its command is gone \(it was killed by SIGKILL\), so nobody heard how it ended; "
                + @".* left of it, which (was|were) killed$";
        Assert.Matches(Why, record.Err);
        Assert.Equal((RunStatus.Succeeded, "next\n"), (next.Status, next.Output));
        Assert.Equal(
            1,
            cluster.Workers["w1"].CountInLog(
                "was killed by SIGKILL (a job of that user may have run kill -9 -1); its 1 running commands are killed"));
        Assert.Equal("", await cluster.Etcd.RunCtlAsync("get", "--prefix", "/cron/runs/"));
        Assert.NotEqual(holder, Assert.Single(Processes.Running($"hold {cluster.Folder}")));
        Assert.Null(Processes.StateOf(holder)); // It is reaped.
    }

    [Fact]
    public async Task A_run_whose_holder_dies_runs_again_where_the_job_says_so_after_nothing_is_left_of_it()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        var rounds = Path.Combine(cluster.Folder, "rounds");
        await cluster.SaveAsync(
            "again",
            $"echo $DTS_ATTEMPT >>{rounds}; [ $DTS_ATTEMPT -gt 3 ] || kill -9 $PPID; sleep 1; echo done",
            Never,
            new { onWorkerLost = "rerun" });

        await cluster.CallAsync("/api/v1/jobs/again/run");
        var records = await cluster.RecordsSoon("again", records => records.Any(record => record.Status == RunStatus.Succeeded));

        Assert.Equal(["1", "2", "3", "4"], File.ReadAllLines(rounds));
        Assert.Equal(3, records.Count(record => record.Status == RunStatus.Lost));
        Assert.Equal(3, cluster.Workers["w1"].CountInLog("was killed by SIGKILL (a job of that user may have run kill -9 -1)"));
    }

    /// <summary>So long ahead that the worker has heard of it by then.</summary>
    private static string Soon() =>
        DateTimeOffset.UtcNow.AddSeconds(8).ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);

    private static async Task StopAsync(NativeCluster cluster, string how)
    {
        if (how == "restarted")
        {
            Assert.Equal(0, await cluster.Workers["w1"].StopAsync());
        }
        else
        {
            await cluster.Workers["w1"].KillAsync();
        }
    }
}
