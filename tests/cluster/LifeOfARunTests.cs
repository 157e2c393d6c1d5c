using System.Diagnostics;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

public sealed class LifeOfARunTests
{
    private const string Never = "0 0 0 1 1 * 2099";

    [Fact]
    public async Task A_run_asked_for_by_hand_starts_at_once_where_and_with_what_it_was_asked_for_also_when_the_job_is_paused()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);
        await cluster.SaveAsync("by-hand", "echo $DTS_TRIGGER $DTS_WORKER $GREETING", Never, new { enabled = false });

        var runId = await cluster.RunAsync("by-hand", new { worker = "w2", env = new { GREETING = "hi" } });
        var record = Assert.Single(await cluster.RecordsSoon("by-hand", records => records.Count == 1));

        Assert.Equal(("manual w2 hi\n", $"by-hand/{runId}", "manual"), (record.Output, record.Id, record.Trigger));
        Assert.InRange(record.StartTime - record.PlanTime, 0, 30_000);
        Assert.Equal("", await cluster.Etcd.RunCtlAsync("get", "--prefix", "/cron/queue/"));
    }

    [Theory]
    [InlineData("one", 6)]
    [InlineData("all", 12)] // On each of two workers, with one file per worker.
    public async Task Six_runs_requested_at_once_lose_no_update_where_overlap_is_forbidden(string mode, int runs)
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);
        var file = Path.Combine(cluster.Folder, "c");
        var name = mode == "one" ? file : file + "-$DTS_WORKER";
        await cluster.SaveAsync(
            "counted", $"touch {name}; n=$(cat {name}); sleep 1; echo $((n+1)) >{name}", Never, new { mode, startDeadlineSeconds = 60 });

        for (var n = 0; n < 6; n++)
        {
            await cluster.CallAsync("/api/v1/jobs/counted/run");
        }

        var records = await cluster.RecordsSoon("counted", records => records.Count == runs);
        Assert.All(records, record => Assert.Equal(RunStatus.Succeeded, record.Status));
        Assert.Equal(runs, records.Select(record => record.FencingToken).Distinct().Count());
        foreach (var ofOne in records.GroupBy(record => mode == "one" ? "" : record.Worker))
        {
            Assert.Equal(
                ofOne.OrderBy(record => record.StartTime).Select(record => record.FencingToken),
                ofOne.Select(record => record.FencingToken).Order());
            Assert.Equal("6", File.ReadAllText(mode == "one" ? file : $"{file}-{ofOne.Key}").Trim());
        }
    }

    [Fact]
    public async Task A_job_with_many_parents_runs_once_for_each_and_never_overlaps()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);
        await cluster.SaveAsync("child", "sleep 0.2", Never, new { startDeadlineSeconds = 60 });
        var parents = Enumerable.Range(0, 12).Select(n => $"parent-{n}").ToList();
        foreach (var parent in parents)
        {
            await cluster.SaveAsync(parent, "true", Never, new { then = new[] { "child" } });
        }

        await Task.WhenAll(parents.Select(parent => cluster.CallAsync($"/api/v1/jobs/{parent}/run")));

        var records = (await cluster.RecordsSoon("child", records => records.Count == parents.Count))
            .OrderBy(record => record.StartTime)
            .ToList();
        Assert.All(
            records.Zip(records.Skip(1)),
            pair => Assert.True(
                pair.First.EndTime <= pair.Second.StartTime && pair.First.FencingToken < pair.Second.FencingToken, $"{pair}"));
    }

    [Fact]
    public async Task Values_that_DTS_did_not_write_affect_nothing_else()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);
        await cluster.SaveAsync("hello", "echo hello", Never);
        foreach (var (key, value) in new[]
        {
            ("runs/other/20200101T000000Z", "{}"),
            ("runs/other/x", "garbage"),
            ("owed/other/20200101T000000Z", "null"),
            (
                "queue/hello/20200101T000000Z",
                """{"planTime":"2020-01-01T00:00:00Z","trigger":"manual","notBefore":"0001-01-01T00:00:00Z"}"""),
            ("queue/hello/x", "garbage"),
            ("queue/none", "garbage"),
            ("killer/hello/x/y", ""),
        })
        {
            await cluster.Etcd.RunCtlAsync("put", $"/cron/{key}", value);
        }

        await cluster.CallAsync("/api/v1/jobs/hello/run");
        await cluster.RecordsSoon("hello", records => records.Count == 1);
        await Patience.Until(() => cluster.Etcd.RunCtlAsync("get", "--prefix", "/cron/runs/").Result.Length == 0, cluster.Describe);

        await Patience.Until(() => cluster.Workers.Values.All(worker => CountComplaints(worker) >= 3), cluster.Describe);
        Assert.All(cluster.Workers.Values, worker => Assert.Equal(3, CountComplaints(worker)));
        Assert.All(cluster.Workers.Values, worker => Assert.False(worker.HasExited, cluster.Describe()));

        static int CountComplaints(NativeProcess worker) =>
            worker.CountInLog("queue/hello/x has a value") + worker.CountInLog("queue/none") + worker.CountInLog("queue/hello/2020");
    }

    [Fact]
    public async Task A_failed_run_is_tried_again_elsewhere_and_then_what_depends_on_its_failure_runs()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);
        await cluster.SaveAsync("mend", "echo mended after $DTS_PLAN_TIME", Never);
        await cluster.SaveAsync(
            "fails",
            "echo attempt $DTS_ATTEMPT; exit 3",
            Never,
            new { retry = new { max = 2, delaySeconds = 1, backoff = 1, elsewhere = true }, onFailure = new[] { "mend" } });

        await cluster.CallAsync("/api/v1/jobs/fails/run");
        var mended = Assert.Single(await cluster.RecordsSoon("mend", records => records.Count == 1));
        var attempts = (await cluster.RecordsSoon("fails", records => records.Count == 3)).OrderBy(record => record.Attempt).ToList();

        Assert.Equal(["attempt 1\n", "attempt 2\n", "attempt 3\n"], attempts.Select(record => record.Output));
        Assert.Equal(["manual", "retry", "retry"], attempts.Select(record => record.Trigger));
        Assert.All(attempts.Zip(attempts.Skip(1)), pair =>
        {
            Assert.NotEqual(pair.First.Worker, pair.Second.Worker);
            Assert.InRange(pair.Second.StartTime - pair.First.EndTime, 800, 30_000);
        });
        Assert.Equal(("dependent", attempts[0].PlanTime), (mended.Trigger, mended.PlanTime));
    }

    [Fact]
    public async Task What_depends_on_success_runs_once_for_each_success()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);
        await cluster.SaveAsync("next", "echo $DTS_PLAN_TIME", Never, new { overlap = "allow" });
        await cluster.SaveAsync("first", "true", "*/2 * * * * *", new { then = new[] { "next" } });

        await cluster.RecordsSoon("next", records => records.Count >= 3);
        await cluster.CallAsync("/api/v1/jobs/first/pause");
        await Passes(TimeSpan.FromSeconds(2)); // A fire that was claimed before is a run by then.
        await NothingIsUnendedAsync(cluster);

        long[] first = [], next = [];
        await Patience.Until(
            async () =>
            {
                var causes = (await cluster.RecordsAsync("first")).Where(record => record.Status == RunStatus.Succeeded);
                (first, next) = (PlanTimesOf(causes), PlanTimesOf(await cluster.RecordsAsync("next")));
                return first.Length >= 3 && first.SequenceEqual(next);
            },
            () => $"{string.Join(' ', first)}, and then {string.Join(' ', next)}");

        static long[] PlanTimesOf(IEnumerable<RunRecord> records) => [.. records.Select(record => record.PlanTime).Order()];
    }

    [Fact]
    public async Task A_fire_that_replaces_ends_the_run_before_it_and_starts_then()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);
        await cluster.SaveAsync("replaced", "trap 'echo ended; exit' TERM; sleep 300 & wait", "*/3 * * * * *", new { overlap = "replace" });

        var records = await cluster.RecordsSoon("replaced", records => records.Count(record => record.Status == RunStatus.Killed) >= 2);
        await cluster.DeleteAsync("/api/v1/jobs/replaced?kill=true");
        await cluster.RecordsSoon("replaced", _ => cluster.CommandsAlive().Count == 0);

        var killed = records.Where(record => record.Status == RunStatus.Killed).OrderBy(record => record.StartTime).ToList();
        Assert.All(killed, record => Assert.Equal("ended\n", record.Output));
        Assert.All(killed.Zip(killed.Skip(1)), pair =>
        {
            Assert.Contains("replaced by the run for", pair.First.Err);
            Assert.InRange(pair.Second.StartTime - pair.Second.PlanTime, 0, 2999);
            Assert.True(pair.First.EndTime <= pair.Second.StartTime, "they overlap");
        });
    }

    [Fact]
    public async Task In_mode_all_each_matching_worker_runs_every_fire_and_knows_its_shard()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1, "--labels", "zone=a");
        await cluster.StartWorkerAsync("w2");
        await cluster.StartWorkerAsync("w3", "--labels", "zone=b");

        await cluster.SaveAsync(
            "everywhere",
            "echo $DTS_WORKER $DTS_SHARD_INDEX/$DTS_SHARD_TOTAL",
            "*/2 * * * * *",
            new { mode = "all", target = new { labels = new { zone = "a" } } });
        var records = await cluster.RecordsSoon(
            "everywhere", records => records.GroupBy(record => record.PlanTime).Count(fire => fire.Count() == 2) >= 2);
        await cluster.CallAsync("/api/v1/jobs/everywhere/pause");
        await cluster.CallAsync("/api/v1/jobs/everywhere/run");
        var byHand = await cluster.RecordsSoon("everywhere", records => records.Count(record => record.Trigger == "manual") == 2);

        var full = records.GroupBy(record => record.PlanTime).First(fire => fire.Count() == 2);
        Assert.Equal(["w1 0/2\n", "w2 1/2\n"], full.Select(record => record.Output).Order());
        Assert.Equal(["w1 0/2\n", "w2 1/2\n"], byHand.Where(record => record.Trigger == "manual").Select(record => record.Output).Order());
    }

    [Fact]
    public async Task A_fire_that_no_live_worker_matches_is_missed_and_says_so()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);

        await cluster.SaveAsync(
            "nowhere", "true", "*/4 * * * * *", new { target = new { labels = new { disk = "tape" } }, startDeadlineSeconds = 1 });
        await cluster.SaveAsync("bound", "true", Never, new { startDeadlineSeconds = 1 });
        await cluster.CallAsync("/api/v1/jobs/bound/run", new { worker = "w9" });
        var nowhere = await cluster.RecordsSoon("nowhere", records => records.Count >= 2);
        var bound = Assert.Single(await cluster.RecordsSoon("bound", records => records.Count == 1));

        Assert.All(
            nowhere,
            record => Assert.Equal(
                (RunStatus.Missed, "no live worker matches its target (disk=tape) within 1 s"), (record.Status, record.Err)));
        Assert.Equal((RunStatus.Missed, "no live worker matches its target (w9) within 1 s"), (bound.Status, bound.Err));
    }

    [Fact]
    public async Task After_an_outage_of_all_workers_the_misfire_policy_says_what_runs_and_the_ledger_has_no_hole()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        foreach (var (name, misfire) in new[] { ("skip", "skip"), ("once", "once"), ("all", "all") })
        {
            await cluster.SaveAsync(name, "true", "*/4 * * * * *", new { misfire, overlap = "allow" });
            await cluster.RecordsSoon(name, records => records.Count >= 1);
        }

        var down = DateTimeOffset.UtcNow;
        await cluster.Workers["w1"].KillAsync();
        await Passes(TimeSpan.FromSeconds(22));
        var up = DateTimeOffset.UtcNow;
        await cluster.StartWorkerAsync("w1");
        await cluster.RecordsSoon("skip", records => records.Any(record => record.PlanTime > up.AddSeconds(4).ToUnixTimeMilliseconds()));
        var all = await cluster.RecordsSoon(
            "all", records => records.Count(record => record.Trigger == "misfire" && record.Status == RunStatus.Succeeded) >= 4);
        var once = await cluster.RecordsSoon(
            "once", records => records.Any(record => record.Trigger == "misfire" && record.Status == RunStatus.Succeeded));

        Assert.Single(once, record => record.Trigger == "misfire");
        Assert.DoesNotContain(await cluster.RecordsAsync("skip"), record => record.Trigger == "misfire");
        Assert.DoesNotContain(all, record => record.Status == RunStatus.Missed);
        var span = $"from={down.AddSeconds(-2):yyyy-MM-ddTHH:mm:ssZ}&to={up:yyyy-MM-ddTHH:mm:ssZ}";
        foreach (var name in new[] { "skip", "once", "all" })
        {
            var ledger = (await cluster.GetAsync($"/api/v1/jobs/{name}/ledger?{span}"))["lines"]!.AsArray();
            Assert.True(ledger.Count >= 5, $"{ledger}");
            Assert.All(ledger, line => Assert.Equal("", (string)line!["fault"]!));
        }
    }

    [Fact]
    public async Task The_run_of_a_killed_worker_is_lost_once_its_session_has_ended_and_runs_again_elsewhere()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2, "--sessionTtl", "3");
        await cluster.SaveAsync(
            "again", $"echo attempt $DTS_ATTEMPT; echo x >>{cluster.Witness}; sleep 300", Never, new { onWorkerLost = "rerun" });
        await cluster.CallAsync("/api/v1/jobs/again/run", new { worker = "" });
        var holder = await HolderOf(cluster, "again");
        var other = cluster.Workers.Keys.Single(id => id != holder);

        var killed = Stopwatch.StartNew();
        await cluster.Workers[holder].KillAsync();
        await cluster.RecordsSoon("again", records => records.Any(record => record.Status == RunStatus.Lost));
        Assert.InRange(killed.Elapsed.TotalSeconds, 0, 30);
        await cluster.Workers[other].LogsSoon("again started for");
        await Patience.Until(() => cluster.ReadWitness().Count == 2, cluster.Describe); // The output of both attempts is written.
        await cluster.CallAsync("/api/v1/jobs/again/kill");
        var records = await cluster.RecordsSoon("again", records => records.Any(record => record.Status == RunStatus.Killed));
        Assert.Equal(
            (2, "rerun", "attempt 2\n"),
            records
                .Where(record => record.Status == RunStatus.Killed)
                .Select(record => (record.Attempt, record.Trigger, record.Output))
                .Single());
    }

    [Fact]
    public async Task A_worker_that_was_cut_off_for_longer_than_its_session_does_what_each_of_its_jobs_says()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1, "--sessionTtl", "3");
        await using var proxy = new CutProxy(cluster.Etcd.Address);
        await cluster.StartWorkerAsync("cut", "--etcdEndpoints", proxy.Endpoint.Authority);
        var target = new { workers = new[] { "cut", "w1" } };
        await cluster.SaveAsync("goes-on", "sleep 20; echo true ending", Never, new { target });
        await cluster.SaveAsync("again", "sleep 300", Never, new { target, onWorkerLost = "rerun", killGraceSeconds = 1 });
        await cluster.SaveAsync("careful", "sleep 300", Never, new { target, onDisconnect = "kill", killGraceSeconds = 1 });
        foreach (var name in new[] { "goes-on", "again", "careful" })
        {
            await cluster.CallAsync($"/api/v1/jobs/{name}/run", new { worker = "cut" });
            await cluster.Workers["cut"].LogsSoon($"{name} started for");
        }

        proxy.Cut();
        var careful = await cluster.RecordsSoon("careful", records => records.Any(record => record.Status == RunStatus.Killed));
        await cluster.RecordsSoon("goes-on", records => records.Any(record => record.Status == RunStatus.Lost));
        await cluster.RecordsSoon("again", records => records.Any(record => record.Status == RunStatus.Lost));
        proxy.Mend();
        var goesOn = await cluster.RecordsSoon("goes-on", records => records.Any(record => record.Status == RunStatus.Succeeded));
        await cluster.Workers["cut"].LogsSoon("killed here");
        var again = await cluster.RecordsSoon("again", records => records.Any(record => record.Status == RunStatus.Killed));

        var ending = Assert.Single(goesOn);
        Assert.Equal("true ending\n", ending.Output);
        Assert.True(ending.LostAt > ending.StartTime, "it does not say that it had been lost");
        Assert.Contains("onDisconnect: kill", careful.Single(record => record.Status == RunStatus.Killed).Err);
        Assert.Contains("declared lost", again.Single(record => record.Status == RunStatus.Killed).Err);
    }

    [Fact]
    public async Task A_kill_reaches_a_worker_that_was_cut_off_when_it_was_asked_for_and_is_seen_until_it_is_answered()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await using var proxy = new CutProxy(cluster.Etcd.Address);
        await cluster.StartWorkerAsync("cut", "--etcdEndpoints", proxy.Endpoint.Authority);
        await cluster.SaveAsync("stubborn", "sleep 300", Never);
        await cluster.CallAsync("/api/v1/jobs/stubborn/run");
        await cluster.Workers["cut"].LogsSoon("stubborn started for");

        proxy.Cut();
        await cluster.CallAsync("/api/v1/jobs/stubborn/kill");
        await Patience.Until(
            () => cluster.GetAsync("/api/v1/runs?filter=state:running").Result["unended"]!.AsArray() is [{ } waiting]
                && (bool)waiting["isKillAsked"]!,
            () => "the request is not seen");
        proxy.Mend();

        await cluster.RecordsSoon("stubborn", records => records.Any(record => record.Status == RunStatus.Killed));
        await Patience.Until(
            () => cluster.Etcd.RunCtlAsync("get", "--prefix", "/cron/killer/").Result == "", () => "the kill request stands unanswered");
    }

    [Fact]
    public async Task A_worker_whose_clock_is_off_the_others_claims_nothing_says_so_and_goes_on_when_it_is_right_again()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 3);
        await cluster.SaveAsync(
            "second",
            $"echo $DTS_JOB $DTS_PLAN_TIME $DTS_ATTEMPT $DTS_FENCING_TOKEN $DTS_WORKER >> {cluster.Witness}",
            "* * * * * *",
            new { overlap = "allow" }); // Or a slow run would have the next one skipped.
        await Passes(TimeSpan.FromSeconds(12)); // Each has written its registration anew, and the others have seen it.

        cluster.StepClock("w1", TimeSpan.FromHours(1));
        await cluster.Workers["w1"].LogsSoon("off the other hosts'");
        var stepped = DateTimeOffset.UtcNow;
        await Patience.Until(
            () => cluster.GetAsync("/api/v1/workers").Result["workers"]!.AsArray()
                .Any(worker => (string?)worker!["id"] == "w1" && (string?)worker["refuses"] == "its clock is off"),
            cluster.Describe);
        await Passes(TimeSpan.FromSeconds(6));
        var righted = DateTimeOffset.UtcNow;
        cluster.StepClock("w1", TimeSpan.Zero);
        await cluster.Workers["w1"].LogsSoon("agrees with the other hosts'");
        await Patience.Until(
            () => cluster.ReadWitness().Any(line => line[4] == "w1" && DateTimeOffset.Parse(line[1]) > righted.AddSeconds(1)),
            cluster.Describe);
        var due = Enumerable.Range(3, (int)(righted - stepped).TotalSeconds - 3)
            .Select(second => DateTimeOffset.FromUnixTimeSeconds(stepped.ToUnixTimeSeconds() + second));
        await Patience.Until(
            () => !due.Except(cluster.ReadWitness().Select(line => DateTimeOffset.Parse(line[1]))).Any(), cluster.Describe);

        var starts = cluster.ReadWitness();
        Assert.Empty(starts.GroupBy(line => line[1]).Where(start => start.Count() > 1).Select(start => start.Key));
        Assert.DoesNotContain(
            starts,
            line => line[4] == "w1" && DateTimeOffset.Parse(line[1]) > stepped.AddSeconds(3) && DateTimeOffset.Parse(line[1]) < righted);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public async Task What_follows_a_run_on_a_worker_whose_clock_is_off_starts_when_it_is_due_by_the_other_clocks(int hours)
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 3);
        var go = Path.Combine(cluster.Folder, "go");
        await cluster.SaveAsync("after", "true", Never);
        await cluster.SaveAsync(
            "fails",
            $"echo $DTS_WORKER >>{cluster.Witness}; until test -e {go}; do sleep 0.1; done; exit 3",
            Never,
            new { retry = new { max = 1, delaySeconds = 1, elsewhere = true }, onFailure = new[] { "after" } });
        await cluster.CallAsync("/api/v1/jobs/fails/run");
        await Patience.Until(() => cluster.ReadWitness().Count == 1, cluster.Describe);
        var worker = cluster.ReadWitness()[0][0];
        cluster.StepClock(worker, TimeSpan.FromHours(hours));
        await cluster.Workers[worker].LogsSoon("off the other hosts'");

        File.WriteAllText(go, "");

        await cluster.RecordsSoon("after", records => records.Count == 1);
        Assert.Equal(
            [RunStatus.Failed, RunStatus.Failed],
            (await cluster.RecordsSoon("fails", records => records.Count == 2)).Select(record => record.Status));
    }

    [Fact]
    public async Task A_full_disk_under_the_spool_stops_no_run_and_loses_no_record_and_is_over_when_there_is_room_again()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await using var disk = await SmallDisk.MountAsync(Path.Combine(cluster.Folder, "small"), kilobytes: 512);
        await cluster.StartWorkerAsync("w1", "--dataFolder", disk.Path);
        await cluster.SaveAsync("noisy", $"head -c 3000 /dev/zero | tr '\\0' x; echo $DTS_PLAN_TIME >> {cluster.Witness}", "* * * * * *");
        await cluster.RecordsSoon("noisy", records => records.Count >= 2);

        disk.Fill();
        await cluster.Workers["w1"].LogsSoon("spool cannot be written");
        var before = cluster.ReadWitness().Count;
        await Patience.Until(() => cluster.ReadWitness().Count >= before + 5, cluster.Describe);
        disk.Free();
        await cluster.Workers["w1"].LogsSoon("spool can be written again");
        await cluster.CallAsync("/api/v1/jobs/noisy/pause");

        await cluster.RecordsSoon(
            "noisy", records => records.Count(record => record.Status == RunStatus.Succeeded) == cluster.ReadWitness().Count);
    }

    [Fact]
    public async Task A_worker_started_on_a_full_disk_runs_jobs_and_keeps_records_until_there_is_room()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await using var disk = await SmallDisk.MountAsync(Path.Combine(cluster.Folder, "small"), kilobytes: 512);
        await cluster.StartWorkerAsync("w1", "--dataFolder", disk.Path);
        await cluster.Workers["w1"].KillAsync();
        disk.Fill();

        await cluster.StartWorkerAsync("w1", "--dataFolder", disk.Path);
        await cluster.SaveAsync("full", $"echo $DTS_PLAN_TIME >> {cluster.Witness}", "* * * * * *");
        await Patience.Until(() => cluster.ReadWitness().Count >= 3, cluster.Describe);
        disk.Free();
        await cluster.Workers["w1"].LogsSoon("spool can be written again");
        await cluster.CallAsync("/api/v1/jobs/full/pause");

        await cluster.RecordsSoon(
            "full", records => records.Count(record => record.Status == RunStatus.Succeeded) == cluster.ReadWitness().Count);
    }

    [Fact]
    public async Task A_dependent_that_does_not_exist_is_recorded_as_cancelled()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        await cluster.SaveAsync("parent", "true", Never, new { then = new[] { "later" } });

        await cluster.CallAsync("/api/v1/jobs/parent/run");

        await cluster.RecordsSoon(
            "later",
            records => records.Any(
                record => record is { Status: RunStatus.Cancelled, Trigger: "dependent", Err: "it has no job that can run" }));
    }

    [Fact]
    public async Task The_ledger_command_lists_every_planned_time_and_finds_the_hole()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        var from = DateTimeOffset.UtcNow;
        await cluster.SaveAsync("audited", "true", "* * * * * *");
        await cluster.RecordsSoon("audited", records => records.Count >= 3);
        await cluster.CallAsync("/api/v1/jobs/audited/pause");
        await NothingIsUnendedAsync(cluster);
        await Passes(TimeSpan.FromSeconds(2));

        var whole = "";
        await Patience.Until(
            async () =>
            {
                (whole, var clean) = await LedgerAsync(cluster, "audited", from, DateTimeOffset.UtcNow);
                return clean == 0;
            },
            () => whole);
        await cluster.ForgetAsync((await cluster.RecordsAsync("audited"))[1].Id);
        var (holed, faulty) = await LedgerAsync(cluster, "audited", from, DateTimeOffset.UtcNow);

        Assert.Contains("0 without or with two", whole);
        Assert.True(faulty == 1, holed);
        Assert.Contains("-  << no ending", holed);
    }

    /// <summary>Waits until no run is queued or goes on.</summary>
    private static Task NothingIsUnendedAsync(NativeCluster cluster) => Patience.Until(
        async () => (await cluster.GetAsync("/api/v1/runs?filter=state:running|queued"))["unended"]!.AsArray().Count == 0,
        cluster.Describe);

    private static async Task<(string Output, int ExitCode)> LedgerAsync(
        NativeCluster cluster, string job, DateTimeOffset from, DateTimeOffset to)
    {
        var log = Path.Combine(cluster.Folder, $"ledger-{Guid.NewGuid():N}");
        await using var ledger = NativeProcess.Start(
            "dts-master", log, ["ledger", "--job", job, "--from", $"{from:O}", "--to", $"{to:O}", .. cluster.Common()]);
        return (await ledger.WaitAsync() is var exitCode ? ledger.ReadLog() : "", exitCode);
    }

    private static async Task<string> HolderOf(NativeCluster cluster, string job)
    {
        var holder = "";
        await Patience.Until(
            () => (
                holder = cluster.Workers.Keys.FirstOrDefault(id => cluster.Workers[id].CountInLog($"{job} started for") > 0) ?? "") != "",
            cluster.Describe);
        return holder;
    }

    /// <summary>Lets time pass, where an outage of that length is what the test is about.</summary>
    private static async Task Passes(TimeSpan time)
    {
        var passed = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (passed.Elapsed < time)
        {
            await timer.WaitForNextTickAsync();
        }
    }
}
