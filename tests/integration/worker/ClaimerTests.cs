using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Fires;
using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Integration.Worker;

public sealed class ClaimerTests : EtcdTest, IClassFixture<EtcdServer>
{
    private readonly CutProxy _proxy;

    public ClaimerTests(EtcdServer server)
        : base(server) => _proxy = Own(new CutProxy(server.Address));

    [Fact]
    public async Task A_fire_is_claimed_ahead_and_handed_on_with_its_definition_and_its_fencing_token()
    {
        var worker = await StartWorkerAsync(claimAheadSeconds: 5);
        var fire = await PutJobAsync(Some.Job(), Soon(6));
        await worker.ClaimAsync(fire);

        await StartedAsync(worker, 1);

        var run = worker.Started[0];
        Assert.Equal(("hello", "echo hello", fire.PlanTime), (run.Name.Value, run.Job.Command, run.Spec.PlanTime));
        Assert.Equal(run.FencingToken, (await Etcd.FindAsync(Keys.Run(run.Name, run.Id)))!.CreateRevision);
        Assert.True(run.ClaimedAt < run.Spec.PlanTime, $"claimed at {run.ClaimedAt:O} for {run.Spec.PlanTime:O}");
        Assert.Empty(worker.Recorded);
    }

    [Fact]
    public async Task A_claim_whose_answer_was_lost_is_found_in_etcd_and_started_exactly_once()
    {
        var worker = await StartWorkerAsync(callTimeoutSeconds: 1, slots: 2); // For it and for one that comes after it.
        var fire = await PutJobAsync(Some.Job(), Soon());
        _proxy.StallAnswers();
        await worker.ClaimAsync(fire);
        await KeySoonAsync(Keys.Run(fire.Name, fire.RunId), run => run is not null);
        Assert.Empty(worker.Started);

        _proxy.Cut();
        _proxy.Mend();

        await StartedAsync(worker, 1);
        var run = worker.Started[0];
        Assert.Equal((await Etcd.FindAsync(Keys.Run(fire.Name, fire.RunId)))!.CreateRevision, run.FencingToken);
        Assert.Equal("echo hello", run.Job.Command);

        await SettledAsync(worker);
        Assert.Single(StartedBy(worker));
    }

    [Fact]
    public async Task A_claim_whose_answer_was_lost_is_found_also_when_others_have_skipped_later_fires()
    {
        var worker = await StartWorkerAsync(callTimeoutSeconds: 1, slots: 2);
        var fire = await PutJobAsync(Some.Job(), Soon());
        _proxy.StallAnswers();
        await worker.ClaimAsync(fire);
        await KeySoonAsync(Keys.Run(fire.Name, fire.RunId), run => run is not null);
        await Etcd.PutAsync(Keys.Fired(fire.Name), $"{Cursor.Text(fire.PlanTime.AddSeconds(1))} w2 1 skipped");

        _proxy.Cut();
        _proxy.Mend();

        await StartedAsync(worker, 1);
        Assert.Equal(fire.RunId, worker.Started[0].Id);
    }

    [Fact]
    public async Task A_skip_whose_answer_was_lost_is_recorded_by_its_worker_and_starts_nothing()
    {
        var worker = await StartWorkerAsync(callTimeoutSeconds: 1, slots: 1); // Which it gives back.
        var fire = await PutJobAsync(Some.Job(), Soon());
        await Etcd.PutAsync(Keys.Run(fire.Name, "20200101T000000Z"), "{}");
        await Patience.Until(() => DateTimeOffset.UtcNow >= fire.PlanTime, () => "");
        _proxy.StallAnswers();
        await worker.ClaimAsync(fire);
        await KeySoonAsync(Keys.Fired(fire.Name), cursor => cursor!.EndsWith("skipped", StringComparison.Ordinal));

        _proxy.Cut();
        _proxy.Mend();

        await SettledAsync(worker);
        Assert.Empty(StartedBy(worker));
        var ending = Assert.Single(worker.Recorded);
        Assert.Equal((RunStatus.Skipped, Keys.Owed(fire.Name, fire.RunId)), (ending.Record.Status, ending.OwedKey));
    }

    [Fact]
    public async Task A_claim_that_never_reached_etcd_is_made_again()
    {
        var worker = await StartWorkerAsync(callTimeoutSeconds: 1);
        var fire = await PutJobAsync(Some.Job(), Soon());
        _proxy.Stall();
        await worker.ClaimAsync(fire);
        await Patience.Until(() => Log.CountOf("etcd is unreachable") > 0, () => $"{Log}");
        Assert.Null(await ReadAsync(Keys.Run(fire.Name, fire.RunId)));

        _proxy.Reset(); // What was kept back is gone.
        _proxy.Mend();

        await StartedAsync(worker, 1);
    }

    [Fact]
    public async Task A_job_that_was_put_by_hand_gets_its_cursor_and_runs_with_no_past()
    {
        var worker = await StartWorkerAsync();
        var name = JobName.Parse("by-hand");
        var put = await Etcd.PutAsync(Keys.Job(name), """{"name":"by-hand","command":"date","cronExpr":"* * * * * *"}""");
        var fire = new Fire(name, Soon(), Some.Plan(Some.Job("by-hand"), put.Header.Revision), 0);

        await worker.ClaimAsync(fire);

        await StartedAsync(worker, 1);
        Assert.StartsWith(Cursor.Text(fire.PlanTime), await ReadAsync(Keys.Fired(name)), StringComparison.Ordinal);
        Assert.Empty(worker.Recorded);
    }

    [Fact]
    public async Task What_nobody_claimed_since_the_cursor_is_recorded_as_missed_with_a_count()
    {
        var worker = await StartWorkerAsync();
        var planTime = Soon();
        var fire = await PutJobAsync(Some.Job(), planTime, cursorAt: planTime.AddSeconds(-6));

        await worker.ClaimAsync(fire);

        await StartedAsync(worker, 1);
        var record = Assert.Single(worker.Recorded).Record;
        Assert.Equal((RunStatus.Missed, 5L), (record.Status, record.MissedCount));
        Assert.Equal(planTime.AddSeconds(-1).ToUnixTimeMilliseconds(), record.PlanTime);
        Assert.Equal($"hello/{RunId.Of(planTime.AddSeconds(-1))}-missed-5", record.Id);
        Assert.Equal($"no worker claimed them: 5 fires since {Cursor.Text(planTime.AddSeconds(-6))}", record.Err);
    }

    [Fact]
    public async Task A_run_in_the_way_makes_a_skipped_fire_at_its_time_and_one_that_ends_before_does_not()
    {
        var worker = await StartWorkerAsync(claimAheadSeconds: 5);
        var planTime = Soon(6);
        var (blocked, freed) = (await PutJobAsync(Some.Job("blocked"), planTime), await PutJobAsync(Some.Job("freed"), planTime));
        foreach (var fire in new[] { blocked, freed })
        {
            await Etcd.PutAsync(Keys.Run(fire.Name, "20200101T000000Z"), "{}");
            await worker.ClaimAsync(fire);
        }

        await Patience.Until(() => freed.Met.HasFlag(Hindrances.RunInTheWay), () => $"{Log}");
        await Etcd.DeleteAsync(Keys.Run(freed.Name, "20200101T000000Z"));

        await StartedAsync(worker, 1);
        await Patience.Until(() => worker.Recorded.Count == 1, () => $"{Log}");
        Assert.Equal("freed", worker.Started[0].Name.Value);
        var record = worker.Recorded[0].Record;
        Assert.Equal(("blocked", RunStatus.Skipped, "the previous run was still going"), (record.JobName, record.Status, record.Err));
    }

    [Fact]
    public async Task A_fire_whose_deadline_is_over_is_recorded_as_missed()
    {
        var worker = await StartWorkerAsync();
        var fire = await PutJobAsync(Some.Job() with { StartDeadlineSeconds = 2 }, Soon().AddSeconds(-10));

        await worker.ClaimAsync(fire);

        await Patience.Until(() => worker.Recorded.Count > 0, () => $"{Log}");
        Assert.Equal(
            (RunStatus.Missed, "no worker could start it within 2 s"), (worker.Recorded[^1].Record.Status, worker.Recorded[^1].Record.Err));
        Assert.Empty(worker.Started);
    }

    [Fact]
    public async Task A_worker_whose_slots_are_full_abstains_and_the_next_in_rank_takes_the_fire()
    {
        var (full, next) = (
            await StartWorkerAsync("full", slots: 0, claimAheadSeconds: 5), await StartWorkerAsync("next", claimAheadSeconds: 5));
        var fire = await PutJobAsync(Some.Job(), Soon(6));

        await full.ClaimAsync(fire);
        await next.ClaimAsync(new Fire(fire.Name, fire.PlanTime, fire.Plan, rank: 1));

        await StartedAsync(next, 1);
        Assert.Empty(full.Started);
        Assert.True(next.Started[0].ClaimedAt < fire.PlanTime);
    }

    [Fact]
    public async Task In_the_ordinary_case_the_second_in_rank_asks_for_nothing()
    {
        for (var tries = 1; !await IsOrdinaryAsync(tries); tries++)
        {
            Assert.True(tries < 3, $"{Log}"); // A stall of a quarter of a second makes the second in rank ask, but hardly three times.
        }

        async Task<bool> IsOrdinaryAsync(int n)
        {
            var (first, second) = (await StartWorkerAsync($"first-{n}"), await StartWorkerAsync($"second-{n}", slots: 1));
            var fire = await PutJobAsync(Some.Job($"ordinary-{n}"), Soon());
            await second.ClaimAsync(new Fire(fire.Name, fire.PlanTime, fire.Plan, rank: 1));
            await first.ClaimAsync(fire);

            await Patience.Until(() => first.Started.Count + second.Started.Count > 0, () => $"{Log}");
            if (second.Started.Count > 0)
            {
                return false; // Its only slot is taken.
            }

            await SettledAsync(second);
            return !StartedBy(second).Any();
        }
    }

    [Fact]
    public async Task A_job_that_was_edited_since_it_was_planned_runs_as_it_is_now_if_it_still_fires_then()
    {
        var worker = await StartWorkerAsync();
        var planTime = Soon();
        var (edited, moved, paused) = (
            await PutJobAsync(Some.Job("edited"), planTime),
            await PutJobAsync(Some.Job("moved"), planTime),
            await PutJobAsync(Some.Job("paused"), planTime));
        await PutJobAsync(Some.Job("edited") with { Command = "echo new" }, planTime);
        await PutJobAsync(Some.Job("moved", "0 0 0 1 1 *"), planTime);
        await PutJobAsync(Some.Job("paused") with { Enabled = false }, planTime);

        foreach (var fire in new[] { moved, paused, edited })
        {
            await worker.ClaimAsync(fire);
        }

        await StartedAsync(worker, 1);
        await SettledAsync(worker);
        Assert.Equal(["echo new"], StartedBy(worker).Select(run => run.Job.Command));
    }

    [Fact]
    public async Task Two_workers_that_are_given_the_same_two_hundred_fires_start_each_exactly_once()
    {
        var workers = new[] { await StartWorkerAsync("w1", slots: 500), await StartWorkerAsync("w2", slots: 500) };
        var planTime = Soon();
        var fires = await Task.WhenAll(Enumerable.Range(0, 200).Select(n => PutJobAsync(Some.Job($"job-{n:D3}"), planTime)));

        await Task.WhenAll(workers.Select(worker => Task.Run(async () =>
        {
            foreach (var fire in fires)
            {
                await worker.ClaimAsync(new Fire(fire.Name, fire.PlanTime, fire.Plan, rank: 0));
            }
        })));

        await Patience.Until(
            () => workers.Sum(worker => worker.Started.Count) >= 200,
            () => $"{workers.Sum(worker => worker.Started.Count)} started\n{Log}");
        await Task.WhenAll(workers.Select(SettledAsync));
        var started = workers.SelectMany(StartedBy).Select(run => run.Name.Value);
        Assert.Equal(fires.Select(fire => fire.Name.Value).Order(), started.Order());
    }

    [Fact]
    public async Task After_a_stall_of_etcd_in_which_later_fires_came_each_job_goes_on_and_none_is_refused()
    {
        var worker = await StartWorkerAsync(callTimeoutSeconds: 10, slots: 5000);
        var planTime = Soon();
        var fires = await Task.WhenAll(Enumerable.Range(0, 270).Select(n => PutJobAsync(Some.Job($"job-{n:D3}"), planTime)));
        _proxy.Stall();
        foreach (var fire in fires)
        {
            await worker.ClaimAsync(fire);
        }

        // Four requests of sixty are under way; thirty fires still wait to be sent when the next plan time comes.
        await Patience.Until(() => DateTimeOffset.UtcNow > planTime, () => "");
        foreach (var fire in fires)
        {
            await worker.ClaimAsync(new Fire(fire.Name, planTime.AddSeconds(1), fire.Plan, 0));
        }

        await Patience.Until(() => DateTimeOffset.UtcNow > planTime.AddMilliseconds(200), () => "");
        _proxy.Mend();

        await Patience.Until(
            () => worker.Started.Count + worker.Recorded.Count >= 270
                && fires.All(fire => worker.Started.Any(run => run.Name == fire.Name)),
            () => $"{worker.Started.Count} started, {worker.Recorded.Count} recorded\n{Log}");
        Assert.Equal(0, Log.CountOf("etcd refused"));
        Assert.Equal(worker.Started.Count, worker.Started.DistinctBy(run => (run.Name, run.Id)).Count());
    }

    [Fact]
    public async Task What_became_ours_at_the_last_moment_is_still_handed_on()
    {
        var worker = await StartWorkerAsync(callTimeoutSeconds: 10);
        var fire = await PutJobAsync(Some.Job(), Soon());
        _proxy.StallAnswers();
        await worker.ClaimAsync(fire);
        await KeySoonAsync(Keys.Run(fire.Name, fire.RunId), run => run is not null);

        var ending = worker.DisposeAsync();
        _proxy.Mend();
        await ending;

        Assert.Single(worker.Started);
    }

    [Theory]
    [InlineData(Overlap.Forbid,  JobMode.One)]
    [InlineData(Overlap.Replace, JobMode.One)]
    [InlineData(Overlap.Forbid,  JobMode.All)]
    [InlineData(Overlap.Replace, JobMode.All)]
    public async Task Runs_that_must_not_overlap_start_one_after_the_other_however_many_are_requested(Overlap overlap, JobMode mode)
    {
        var worker = await StartWorkerAsync();
        var fire = await PutJobAsync(Some.Job() with { Overlap = overlap, Mode = mode, StartDeadlineSeconds = 60 }, Soon());
        foreach (var trigger in new[] { RunSpec.Manual, RunSpec.Dependent, RunSpec.Misfire, RunSpec.Retry, RunSpec.Rerun, RunSpec.Manual })
        {
            await worker.ClaimAsync(await PutQueuedAsync(fire, trigger, mode == JobMode.All ? "w1" : ""));
        }

        var tokens = new List<long>();
        for (var n = 1; n <= 6; n++)
        {
            await StartedAsync(worker, n);
            Assert.Single(await Etcd.ListAsync(Keys.Runs(fire.Name)));
            Assert.Equal(n, worker.Started.Count);
            tokens.Add(worker.Started[^1].FencingToken);
            await EndAsync(worker, worker.Started[^1]);
        }

        Assert.Equal(tokens.Distinct().Order(), tokens);
    }

    [Fact]
    public async Task A_planned_fire_and_a_run_requested_at_the_same_moment_do_not_overlap()
    {
        var worker = await StartWorkerAsync();
        var fire = await PutJobAsync(Some.Job() with { StartDeadlineSeconds = 60 }, Soon());
        var asked = await PutQueuedAsync(fire, RunSpec.Retry, notBefore: fire.PlanTime);
        await worker.ClaimAsync((fire)); // It comes first, so it is not skipped.
        await worker.ClaimAsync(asked);

        await StartedAsync(worker, 1);
        await SettledAsync(worker);
        Assert.Equal([fire.RunId], StartedBy(worker).Select(run => run.Id));
        await EndAsync(worker, worker.Started[0]);

        await Patience.Until(() => StartedBy(worker).Count() == 2, () => $"{Log}");
    }

    [Fact]
    public async Task Two_claims_of_a_job_whose_runs_may_overlap_have_two_fencing_tokens()
    {
        var worker = await StartWorkerAsync();
        var fire = await PutJobAsync(Some.Job() with { Overlap = Overlap.Allow }, Soon());
        await worker.ClaimAsync(fire);
        for (var n = 0; n < 5; n++)
        {
            await worker.ClaimAsync(await PutQueuedAsync(fire, RunSpec.Manual, notBefore: fire.PlanTime));
        }

        await StartedAsync(worker, 6);
        Assert.Equal(6, worker.Started.Select(run => run.FencingToken).Distinct().Count());
    }

    [Fact]
    public async Task Claims_that_are_too_large_for_one_request_are_made_one_by_one()
    {
        var worker = await StartWorkerAsync();
        var soon = Soon();
        var large = new Dictionary<string, string> { ["LARGE"] = new('x', 60_000) };
        for (var n = 0; n < 40; n++)
        {
            await worker.ClaimAsync(
                await PutQueuedAsync(
                    await PutJobAsync(Some.Job($"job-{n}"), soon), RunSpec.Manual, notBefore: soon.AddSeconds(1), env: large));
        }

        await StartedAsync(worker, 40);
    }

    [Fact]
    public async Task A_claim_with_a_lost_answer_holds_back_other_runs_until_its_outcome_is_known()
    {
        var worker = await StartWorkerAsync(callTimeoutSeconds: 1);
        var planned = await PutJobAsync(Some.Job() with { Mode = JobMode.All, StartDeadlineSeconds = 60 }, Soon());
        var (first, second) = (await PutQueuedAsync(planned, RunSpec.Manual, "w1"), await PutQueuedAsync(planned, RunSpec.Manual, "w1"));
        _proxy.StallAnswers();
        await worker.ClaimAsync(first);
        await KeySoonAsync(Keys.Run(first.Name, first.RunId), run => run is not null);
        await worker.ClaimAsync(second);
        await Patience.Until(() => Log.CountOf("etcd is unreachable") > 0, () => $"{Log}");
        _proxy.Cut();
        _proxy.Mend();

        await StartedAsync(worker, 1);
        await SettledAsync(worker);
        Assert.Equal([first.RunId], StartedBy(worker).Select(run => run.Id));
        await EndAsync(worker, worker.Started[0]);

        await Patience.Until(() => StartedBy(worker).Count() == 2, () => $"{Log}");
    }

    [Fact]
    public async Task A_run_that_waits_and_whose_answer_was_lost_once_does_not_keep_planned_fires_from_being_skipped()
    {
        var worker = await StartWorkerAsync(callTimeoutSeconds: 1);
        var planned = await PutJobAsync(Some.Job() with { StartDeadlineSeconds = 3600 }, Soon());
        var waiting = await PutQueuedAsync(planned, RunSpec.Manual, "");
        await Etcd.PutAsync(Keys.Run(planned.Name, "20200101T000000Z"), "{}"); // Somebody's run, which goes on.
        await worker.ClaimAsync(waiting);
        await Patience.Until(() => waiting.Met.HasFlag(Hindrances.RunInTheWay), () => $"{Log}");
        _proxy.StallAnswers();
        await Patience.Until(() => waiting.Doubt != Doubt.None, () => $"{Log}");
        _proxy.Cut();
        _proxy.Mend();

        await worker.ClaimAsync(planned);

        await Patience.Until(() => worker.Recorded.Count > 0, () => $"{Log}");
        Assert.Equal(
            ($"{planned.Name}/{planned.RunId}", RunStatus.Skipped), (worker.Recorded[0].Record.Id, worker.Recorded[0].Record.Status));
    }

    [Fact]
    public async Task What_nobody_claimed_is_accounted_for_also_when_it_was_found_while_there_was_no_session()
    {
        var worker = await StartWorkerAsync(ttl: TimeSpan.FromSeconds(10));
        await Etcd.PutAsync(Keys.Worker("w1"), "a stranger"); // A foreign value instead of the registration.
        await Patience.Until(() => worker.Sessions.Current is null, () => $"{Log}");
        var planTime = Soon();
        var planned = await PutJobAsync(Some.Job(), planTime, cursorAt: planTime.AddSeconds(-6));
        var fire = new Fire(planned.Name, planTime, planned.Plan, rank: 1); // A fire of rank 1 looks before it claims.
        await worker.ClaimAsync(fire);
        await Patience.Until(() => fire.Backlog is not null, () => $"{Log}");
        Assert.Null(worker.Sessions.Current);

        await Etcd.DeleteAsync(Keys.Worker("w1"));

        await Patience.Until(() => worker.Recorded.Count > 0 || worker.Started.Count > 0, () => $"{Log}");
        await SettledAsync(worker);
        var record = Assert.Single(worker.Recorded).Record;
        Assert.Equal((RunStatus.Missed, 5L), (record.Status, record.MissedCount));
        var owed = JsonSerializer.Deserialize(
            (await Etcd.FindAsync(Keys.Owed(fire.Name, record.Id[6..])))!.Value.Span, JobsJson.Readable.OwedEnding)!;
        // If this worker dies before it records the ending, others do.
        Assert.Equal(worker.Sessions.Current!.Lease.ToString(), owed.Session);
    }

    [Fact]
    public async Task When_nobody_may_run_a_job_in_mode_all_each_of_its_fires_has_an_ending()
    {
        var worker = await StartWorkerAsync();
        var first = Soon().AddSeconds(-8);
        var planned = await PutJobAsync(
            Some.Job() with { Mode = JobMode.All, StartDeadlineSeconds = 5 }, first, cursorAt: first.AddSeconds(-100));
        for (var n = 0; n < 5; n++)
        {
            await worker.ClaimAsync(
                new Fire(planned.Name, first.AddSeconds(n), planned.Plan, 0) { NobodyMatches = true });
        }

        await Patience.Until(() => worker.Recorded.Sum(ending => Math.Max(1, ending.Record.MissedCount)) >= 5, () => $"{Log}");
        Assert.Equal(5, worker.Recorded.Sum(ending => Math.Max(1, ending.Record.MissedCount)));
        Assert.Empty(worker.Started);
    }

    [Fact]
    public async Task A_misfire_of_a_job_put_by_hand_after_its_cursor_is_recorded_as_missed()
    {
        var worker = await StartWorkerAsync();
        var planTime = Soon().AddSeconds(-20);
        await PutJobAsync(Some.Job(), planTime);
        var put = await Etcd.PutAsync(Keys.Job(JobName.Parse("hello")), JobJson.ToJson(Some.Job()));

        await worker.ClaimAsync(
            new Fire(JobName.Parse("hello"), planTime, Some.Plan(Some.Job(), put.Header.Revision), 0) { IsMisfire = true });

        await KeySoonAsync(Keys.Fired(JobName.Parse("hello")), cursor => cursor!.EndsWith("missed", StringComparison.Ordinal));
        await SettledAsync(worker);
        Assert.Equal((RunStatus.Missed, 1L), (Assert.Single(worker.Recorded).Record.Status, worker.Recorded[0].Record.MissedCount));
    }

    [Fact]
    public async Task An_unreadable_cursor_is_replaced_and_the_job_runs()
    {
        var worker = await StartWorkerAsync();
        var fire = await PutJobAsync(Some.Job(), Soon());
        await Etcd.PutAsync(Keys.Fired(fire.Name), "garbage");

        await worker.ClaimAsync(fire);

        await StartedAsync(worker, 1);
        Assert.Equal(1, Log.CountOf("cannot read"));
    }

    [Fact]
    public async Task A_foreign_value_in_the_place_of_a_run_whose_claim_was_lost_ends_nothing()
    {
        var worker = await StartWorkerAsync(callTimeoutSeconds: 1);
        var fire = await PutJobAsync(Some.Job(), Soon());
        _proxy.StallAnswers();
        await worker.ClaimAsync(fire);
        await KeySoonAsync(Keys.Run(fire.Name, fire.RunId), run => run is not null);
        await Etcd.PutAsync(Keys.Run(fire.Name, fire.RunId), "garbage");

        _proxy.Cut();
        _proxy.Mend();

        await SettledAsync(worker);
        Assert.Empty(StartedBy(worker));
    }

    /// <summary>A plan time that is far enough for a claim ahead of it.</summary>
    private static DateTimeOffset Soon(int seconds = 2) =>
        DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds() + seconds);

    private async Task<ClaimingWorker> StartWorkerAsync(
        string id = "w1", int slots = 100, double callTimeoutSeconds = 5, TimeSpan? ttl = null, double claimAheadSeconds = 1)
    {
        var etcd = await ConnectAsync(_proxy.Endpoint, callTimeoutSeconds);
        var worker = Own(new ClaimingWorker(etcd, Keys, id, Log, slots, ttl, claimAheadSeconds));
        await worker.SessionSoonAsync();
        return worker;
    }

    private async Task<Fire> PutJobAsync(Job job, DateTimeOffset planTime, DateTimeOffset? cursorAt = null)
    {
        var name = JobName.Parse(job.Name);
        var cursor = new Cursor(cursorAt ?? planTime.AddSeconds(-1), "master", "-", Cursor.Moved);
        var put = await Etcd.TxnAsync(Txn.All(
            [Txn.Put(Keys.Job(name), JobJson.ToJson(job)), Txn.Put(Keys.Fired(name), cursor.ToString())]));
        return new Fire(name, planTime, Some.Plan(job, put.Header.Revision), rank: 0);
    }

    /// <summary>Puts a run of a fire's job into the queue.</summary>
    /// <param name="forWorker">The worker that the run is bound to; empty = any.</param>
    private async Task<Fire> PutQueuedAsync(
        Fire planned,
        string trigger,
        string forWorker = "",
        DateTimeOffset? notBefore = null,
        IReadOnlyDictionary<string, string>? env = null)
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        var run = new RunSpec(now, trigger, notBefore ?? now, Origin: $"test-{Guid.NewGuid():N}", Worker: forWorker, Env: env);
        var put = await Etcd.PutAsync(Keys.Queued(planned.Name, run.Id), JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec));
        return new Fire(planned.Name, run, planned.Plan, rank: 0) { QueueRevision = put.Header.Revision };
    }

    /// <summary>Deletes the run, as its completion would.</summary>
    private async Task EndAsync(ClaimingWorker worker, Run run)
    {
        await Etcd.DeleteAsync(Keys.Run(run.Name, run.Id));
        worker.Complete(run);
    }

    /// <summary>Without the fires by which a test sees that all others are settled.</summary>
    private static IEnumerable<Run> StartedBy(ClaimingWorker worker) =>
        worker.Started.Where(run => !run.Name.Value.StartsWith("settled", StringComparison.Ordinal));

    private Task StartedAsync(ClaimingWorker worker, int count) =>
        Patience.Until(
            () => worker.Started.Count >= count, () => $"{worker.Started.Count} started, {worker.Recorded.Count} recorded\n{Log}");

    /// <summary>Waits until the worker has started a fire that came after all others, two seconds from now.</summary>
    private async Task SettledAsync(ClaimingWorker worker)
    {
        var job = Some.Job($"settled-{Guid.NewGuid():N}");
        await worker.ClaimAsync(await PutJobAsync(job, Soon()));
        await Patience.Until(() => worker.Started.Any(run => run.Name.Value == job.Name), () => $"{Log}");
    }
}
