using System.Text.Json;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Fires;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Etcdserverpb;
using Google.Protobuf;
using Mvccpb;
using Xunit;

namespace Dts.Tests.Unit.Worker.Fires;

/// <summary>A worker's decisions by themselves: events and moments in, actions out.</summary>
public sealed class FiresTests
{
    private static readonly DateTimeOffset P = Some.Now.AddSeconds(10);
    private static readonly DateTimeOffset Hour = Some.Now.AddHours(1);
    private static readonly LeaseId Session = new(7);

    private readonly List<FireAction> _actions = [];
    private Moment _moment = new(Some.Now, Session, TimeSpan.FromSeconds(10), MayClaim: true);
    private Dts.Worker.Fires.Fires _fires;
    private string? _refusal; // What the preparation of a run answers.
    private long _revision = 100;

    public FiresTests() => _fires = Make(slots: 2);

    [Fact]
    public void A_fire_is_claimed_a_second_ahead_prepared_at_once_and_started_on_the_dot()
    {
        Put(Some.Job(cronExpr: "*/10 * * * * *"));
        At(P.AddMilliseconds(-1001));
        Assert.Empty(_actions);
        Assert.Equal(P.AddSeconds(-1).ToUnixTimeMilliseconds(), _fires.NextDue);

        At(P.AddSeconds(-1));
        var ask = Assert.IsType<FireAction.Ask>(Assert.Single(Acted()));
        Grant(ask);
        var run = Assert.Single(Assert.IsType<FireAction.Prepare>(Assert.Single(Acted())).Runs);
        Assert.Equal((P, P.AddSeconds(-1)), (run.Spec.PlanTime, run.ClaimedAt));

        At(P.AddMilliseconds(-4));
        Assert.Empty(_actions);
        At(P.AddMilliseconds(-3));
        Assert.Equal([""], Assert.IsType<FireAction.WarmUp>(Assert.Single(Acted())).Users);
        At(P.AddMilliseconds(-1));
        Assert.Empty(_actions);
        Assert.Equal(P.ToUnixTimeMilliseconds(), _fires.NextDue);
        At(P);
        Assert.Equal([run], Assert.IsType<FireAction.Start>(Assert.Single(Acted())).Runs);
    }

    [Fact]
    public void A_run_that_is_looked_at_only_after_its_time_starts_without_a_warm_up()
    {
        var run = Claimed("hello");
        At(P.AddMilliseconds(2));

        Assert.Equal([run], Assert.IsType<FireAction.Start>(Assert.Single(Acted())).Runs);
    }

    [Fact]
    public void Between_the_warm_up_and_the_start_a_run_can_be_cancelled_and_starts_at_once_when_the_clock_is_stepped_back()
    {
        var (cancelled, stepped) = (Claimed("deleted"), Claimed("stepped"));
        At(P.AddMilliseconds(-2));
        Assert.IsType<FireAction.WarmUp>(Assert.Single(Acted()));

        Take(new FireEvent.JobGone(cancelled.Name, _revision + 1, "deleted"));
        Assert.Equal(
            [new FireAction.Drop(cancelled), new FireAction.RecordNotStarted(cancelled, RunStatus.Cancelled, "deleted")], Acted());
        At(P.AddMinutes(-1));
        Assert.Equal([stepped], Acted().OfType<FireAction.Start>().Single().Runs);
        At(P.AddSeconds(1));
        Assert.DoesNotContain(Acted(), action => action is FireAction.Start or FireAction.WarmUp);
    }

    [Theory]
    [InlineData(JobMode.One)]
    [InlineData(JobMode.All)]
    public void A_fire_that_fell_due_while_this_worker_was_drained_starts_when_it_is_no_longer_drained(JobMode mode)
    {
        Put(Some.Job(cronExpr: "10 0 10 22 11 * 2026") with { Mode = mode, StartDeadlineSeconds = 30 });
        Take(new FireEvent.Drained("w1", IsOn: true));
        At(P.AddSeconds(4));
        Assert.Empty(Acted().OfType<FireAction.Ask>());

        Take(new FireEvent.Drained("w1", IsOn: false));
        var claim = Assert.IsType<FireRequest.Claim>(Assert.Single(Acted().OfType<FireAction.Ask>()).Request);
        var fire = Assert.Single(claim.Fires);
        Assert.Equal((P, mode == JobMode.All ? "w1" : "", false), (fire.PlanTime, fire.Run.Worker, fire.NobodyMatches));
    }

    [Fact]
    public void A_fire_that_waits_here_is_left_to_the_workers_that_its_job_is_moved_to()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2026");
        Take(new FireEvent.WorkerJoined("w2", new Dictionary<string, string>()));
        Reconfigure(slots: 0);
        Put(job with { Target = new Target(["w1"]) });
        At(P.AddSeconds(2));
        Put(job with { Target = new Target(["w2"]) });
        Reconfigure(slots: 2);
        At(P.AddSeconds(3));

        Assert.Empty(Acted().OfType<FireAction.Ask>());
    }

    [Fact]
    public void A_fire_that_waits_elsewhere_or_that_nobody_matched_runs_here_when_its_job_is_moved_here()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2026");
        Put(job with { Target = new Target(["w2"]) });
        At(P.AddSeconds(2));
        Assert.Empty(Acted().OfType<FireAction.Ask>());

        Put(job with { Target = new Target(["w1"]) });
        var fire = Assert.Single(Assert.IsType<FireRequest.Claim>(Assert.Single(Acted().OfType<FireAction.Ask>()).Request).Fires);

        Assert.Equal((P, false, 0), (fire.PlanTime, fire.NobodyMatches, fire.Rank));
    }

    [Fact]
    public void A_claim_that_finds_its_job_moved_to_other_workers_is_not_repeated()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2026");
        Take(new FireEvent.WorkerJoined("w2", new Dictionary<string, string>()));
        Put(job with { Target = new Target(["w1"]) });
        At(P.AddSeconds(-1));
        var claim = Acted().OfType<FireAction.Ask>().Single();
        var moved = JobOf(job with { Target = new Target(["w2"]) }, revision: 2);

        var cursor = new Cursor(P.AddYears(-1), "w1", "-", Cursor.Claimed).ToString();
        var found = new KeyValue { Value = ByteString.CopyFromUtf8(cursor), ModRevision = 2 };
        Take(new FireEvent.Answered(claim.Request, [new ClaimAnswer.NotMine(found, moved, [])]));
        At(P.AddMilliseconds(-100));
        Take(new FireEvent.JobPut(JobName.Parse(job.Name), Some.Plan(job with { Target = new Target(["w2"]) }, 2), null));
        At(P.AddSeconds(2));

        Assert.Empty(Acted().OfType<FireAction.Ask>());
    }

    [Fact]
    public void A_fire_that_waits_here_is_not_claimed_when_its_job_is_moved_and_rescheduled_at_once()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2026");
        Take(new FireEvent.WorkerJoined("w2", new Dictionary<string, string>()));
        Reconfigure(slots: 0);
        Put(job with { Target = new Target(["w1"]) });
        At(P.AddSeconds(-1));
        Put(job with { Target = new Target(["w2"]), CronExpr = "10,20 0 10 22 11 * 2026" });
        Reconfigure(slots: 2);
        At(P.AddSeconds(1));

        Assert.Empty(Acted().OfType<FireAction.Ask>());
    }

    [Fact]
    public void A_job_in_mode_all_that_is_moved_here_in_the_last_second_before_its_time_runs_here()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2026") with { Mode = JobMode.All, Target = new Target(["w2"]) };
        Take(new FireEvent.WorkerJoined("w2", new Dictionary<string, string>()));
        Put(job);
        At(P.AddMilliseconds(-500)); // Its time is ahead, and w2's.

        Put(job with { Target = new Target(["w1"]) });
        At(P.AddMilliseconds(-400));

        Assert.Equal(P, Acted().OfType<FireAction.Ask>().SelectMany(ask => ask.Request.Fires).First().PlanTime);
    }

    [Fact]
    public void A_time_that_passed_before_its_timer_was_heard_is_still_planned_when_the_job_is_saved_then()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2026");
        Put(job);
        _moment = _moment with { Now = P.AddSeconds(3) };
        Put(job with { Overlap = Overlap.Allow });
        At(P.AddSeconds(4));

        Assert.Equal(P, Acted().OfType<FireAction.Ask>().SelectMany(ask => ask.Request.Fires).First().PlanTime);
    }

    [Fact]
    public void A_fire_that_waits_moves_with_its_job_also_after_another_save()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2026") with { Target = new Target(["w2"]) };
        Take(new FireEvent.WorkerJoined("w2", new Dictionary<string, string>()));
        Put(job);
        At(P.AddSeconds(10));
        Put(job with { Overlap = Overlap.Allow });
        At(P.AddSeconds(20));
        Put(job with { Target = new Target(["w1"]) });

        Assert.Equal(P, Acted().OfType<FireAction.Ask>().SelectMany(ask => ask.Request.Fires).Single().PlanTime);
    }

    [Theory]
    [InlineData(30, false)]
    [InlineData(61, true)] // Its start deadline is over.
    public void A_fire_that_has_waited_long_still_starts_where_its_job_is_moved_to(int waited, bool isMisfire)
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2026");
        Take(new FireEvent.WorkerJoined("w2", new Dictionary<string, string>()));
        Put(job with { Target = new Target(["w2"]) });
        At(P.AddSeconds(waited));
        Acted();

        Put(job with { Target = new Target(["w1"]) });
        var fire = Acted().OfType<FireAction.Ask>().SelectMany(ask => ask.Request.Fires).Single();

        Assert.Equal((P, isMisfire), (fire.PlanTime, fire.IsMisfire));
    }

    [Fact]
    public void A_job_that_is_moved_makes_no_fire_of_a_time_before_it_was_known_or_of_another_schedule()
    {
        At(P.AddSeconds(5));
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2026"); // Its only time has passed.
        Put(job with { Target = new Target(["w2"]) });
        Put(job with { Target = new Target(["w1"]) });
        Put(Some.Job("other", "10 0 10 23 11 * 2026") with { Target = new Target(["w2"]) });
        Put(Some.Job("other", "10 0 10 22 11 * 2026") with { Target = new Target(["w1"]) });
        At(P.AddSeconds(9));

        Assert.Empty(Acted().OfType<FireAction.Ask>());
    }

    [Fact]
    public void A_queued_run_whose_claim_lost_its_answer_runs_under_the_new_target()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2099");
        var asked = new RunSpec(Some.Now, RunSpec.Manual, Some.Now, Origin: "manual-1");
        Put(job);
        Take(new FireEvent.JobsListed());
        Take(new FireEvent.RunRequested(JobName.Parse(job.Name), asked, Revision: 50));
        var lost = Acted().OfType<FireAction.Ask>().Single();
        Take(new FireEvent.Answered(lost.Request, [new ClaimAnswer.Failed(MayBeDone: true, IsRefused: false)]));
        At(Some.Now.AddSeconds(1));
        var look = Acted().OfType<FireAction.Ask>().Single();
        var inQueue = new KeyValue { Key = ByteString.CopyFromUtf8("k"), ModRevision = 50 };
        Take(new FireEvent.Answered(look.Request, [new ClaimAnswer.Looked(inQueue)]));
        var claim = Acted().OfType<FireAction.Ask>().Single();

        var moved = job with { Target = new Target(["w1"]) };
        Take(new FireEvent.Answered(claim.Request, [new ClaimAnswer.NotMine(inQueue, JobOf(moved, revision: 2), [])]));
        Take(new FireEvent.JobPut(JobName.Parse(job.Name), Some.Plan(moved, 2), null));
        At(Some.Now.AddSeconds(2));
        At(Some.Now.AddSeconds(3));

        Assert.Equal(2, Acted().OfType<FireAction.Ask>().SelectMany(ask => ask.Request.Fires).First().Plan.Revision);
    }

    [Fact]
    public void While_the_session_is_in_doubt_nothing_starts_and_when_it_is_another_one_the_run_is_lost()
    {
        var (first, second) = (Claimed("first"), Claimed("second"));
        _moment = _moment with { HoldsFor = TimeSpan.Zero };
        At(P.AddSeconds(2));
        Assert.Empty(Acted());

        _moment = _moment with { HoldsFor = TimeSpan.FromSeconds(5) };
        At(P.AddSeconds(3));
        Assert.Equal([first, second], Assert.IsType<FireAction.Start>(Assert.Single(Acted())).Runs);

        End(first);
        var third = Claimed("third", P.AddSeconds(10));
        _moment = _moment with { Session = new LeaseId(8) };
        At(P.AddSeconds(10));
        var lost = "the session under which it was claimed expired before it could start";
        Assert.Equal([new FireAction.Drop(third), new FireAction.RecordNotStarted(third, RunStatus.Lost, lost)], Acted());
    }

    [Fact]
    public void A_run_without_a_slot_starts_when_one_is_free_and_is_missed_after_its_deadline()
    {
        var runs = new[] { Claimed("a"), Claimed("b") };
        At(P);
        Assert.Equal(runs, Acted().OfType<FireAction.Start>().Single().Runs);
        Reconfigure(slots: 4);
        var (waiting, late) = (Claimed("c", P.AddSeconds(5)), Claimed("d", P.AddSeconds(5)));
        Reconfigure(slots: 2);

        At(P.AddSeconds(5));
        Assert.Empty(Acted());
        End(runs[0]);
        Assert.Equal([waiting], Acted().OfType<FireAction.Start>().Single().Runs);

        At(P.AddSeconds(5 + late.Job.StartDeadlineSeconds).AddMilliseconds(1));
        Assert.Equal(RunStatus.Missed, Acted().OfType<FireAction.RecordNotStarted>().Single(ending => ending.Run == late).Status);
    }

    [Fact]
    public void A_kill_cancels_what_waits_and_reaches_what_is_being_started_as_soon_as_it_has_started()
    {
        var starting = Claimed("hello");
        At(P);
        Assert.Single(Acted().OfType<FireAction.Start>());
        var waiting = Claimed("hello", P.AddSeconds(1));

        Take(new FireEvent.KillRequested(starting.Name, new KillRequest("", "enough"), Revision: _revision + 1));
        var acted = Acted();
        Assert.Contains(new FireAction.RecordNotStarted(waiting, RunStatus.Cancelled, "killed before it started: enough"), acted);
        var kill = new FireAction.Kill(starting, "enough", _revision + 1);
        Assert.Contains(kill, acted);

        Take(new FireEvent.Started(starting, RunningCommand.NotStarted("for this test")));
        Assert.Equal([kill], Acted());
    }

    [Fact]
    public void Runs_that_are_claimed_after_their_time_are_prepared_together_and_then_started_together()
    {
        foreach (var name in new[] { "first", "second" })
        {
            Take(new FireEvent.Due(new Fire(JobName.Parse(name), P, Some.Plan(Some.Job(name), 1), rank: 0)));
        }

        At(P.AddSeconds(-1));
        var ask = (FireAction.Ask)Assert.Single(Acted());
        _moment = _moment with { Now = P };
        Grant(ask);

        var prepared = Assert.IsType<FireAction.Prepare>(_actions[0]).Runs;
        Assert.Equal(prepared, Assert.IsType<FireAction.Start>(_actions[1]).Runs);
        Assert.Equal((2, 2), (prepared.Count, _actions.Count));
    }

    [Fact]
    public void A_run_that_cannot_be_prepared_fails_and_does_not_start_even_when_its_time_has_come()
    {
        _refusal = "no such user";
        Put(Some.Job(cronExpr: "*/10 * * * * *"));
        At(P.AddSeconds(-1));
        var ask = (FireAction.Ask)Assert.Single(Acted());
        _moment = _moment with { Now = P };
        Grant(ask);

        var acted = Acted();
        var run = acted.OfType<FireAction.Prepare>().Single().Runs.Single();
        Assert.Equal([new FireAction.RecordNotStarted(run, RunStatus.Failed, "no such user")], acted[1..]);
        Assert.Equal((0, 0), (_fires.Slots.Taken, _fires.Slots.Promised));
    }

    [Fact]
    public void A_run_frees_its_slot_once_also_if_etcd_has_its_completion_before_its_end_is_reported()
    {
        var run = Claimed("hello");
        At(P);
        Take(new FireEvent.Started(run, RunningCommand.NotStarted("for this test")));
        Assert.Equal(1, _fires.Slots.Taken);

        Take(new FireEvent.Completed(run));
        Take(new FireEvent.Ended(run, TimeSpan.FromSeconds(1)));

        Assert.Equal((0, 0), (_fires.Slots.Taken, _fires.Slots.Promised));
    }

    [Fact]
    public void The_answer_to_a_claim_that_comes_after_its_job_was_deleted_starts_nothing()
    {
        Put(Some.Job(cronExpr: "*/10 * * * * *"));
        At(P.AddSeconds(-1));
        var ask = (FireAction.Ask)Assert.Single(Acted());
        Take(new FireEvent.JobGone(JobName.Parse("hello"), Revision: _revision + 10, "deleted"));

        Grant(ask);

        var acted = Acted();
        var run = acted.OfType<FireAction.Prepare>().Single().Runs.Single();
        Assert.Equal([new FireAction.Drop(run), new FireAction.RecordNotStarted(run, RunStatus.Cancelled, "deleted")], acted[1..]);
    }

    [Fact]
    public void The_answer_to_a_claim_that_comes_after_the_worker_gave_up_its_claimed_runs_starts_nothing()
    {
        Put(Some.Job(cronExpr: "*/10 * * * * *"));
        At(P.AddSeconds(-1));
        var ask = (FireAction.Ask)Assert.Single(Acted());
        Take(new FireEvent.StartNothingMore("the worker stops"));

        Grant(ask);
        At(P);

        var ending = Assert.Single(Acted().OfType<FireAction.RecordNotStarted>());
        Assert.Equal((RunStatus.Cancelled, "the worker stops"), (ending.Status, ending.Why));
    }

    [Theory]
    [InlineData("drained")]
    [InlineData("silent holders")]
    [InlineData("clock off")]
    [InlineData("no session")]
    [InlineData("stopping")]
    public void A_worker_that_should_not_claim_asks_for_nothing(string why)
    {
        Put(Some.Job(cronExpr: "*/10 * * * * *"));
        _moment = why switch
        {
            "clock off" => _moment with { MayClaim = false },
            "no session" => _moment with { Session = null, HoldsFor = TimeSpan.Zero },
            _ => _moment,
        };
        Take(why switch
        {
            "drained" => new FireEvent.Drained("w1", IsOn: true),
            "silent holders" => new FireEvent.HoldersSilent([null]),
            "stopping" => new FireEvent.Stopping(),
            _ => new FireEvent.Tick(),
        });

        At(P.AddSeconds(-1));
        At(P);

        Assert.DoesNotContain(Acted(), action => action is FireAction.Ask { Request: FireRequest.Claim } or FireAction.Prepare);
    }

    [Fact]
    public void Claimed_runs_still_start_while_the_worker_stops_until_it_gives_them_up()
    {
        var (first, second) = (Claimed("first"), Claimed("second"));
        Reconfigure(slots: 1);
        Take(new FireEvent.Stopping());
        At(P);
        Assert.Equal([first], Acted().OfType<FireAction.Start>().Single().Runs);

        Take(new FireEvent.StartNothingMore("the worker stops"));

        Assert.Equal(
            [new FireAction.Drop(second), new FireAction.RecordNotStarted(second, RunStatus.Cancelled, "the worker stops")], Acted());
        Assert.Equal(0, _fires.Slots.Promised);
    }

    [Fact]
    public void After_a_step_back_of_the_clock_what_was_about_to_start_does()
    {
        var run = Claimed("hello");

        At(P.AddHours(-1));

        Assert.Equal([run], Acted().OfType<FireAction.Start>().Single().Runs);
    }

    [Fact]
    public void Of_one_job_there_is_one_claim_under_way_and_the_scheduled_fire_goes_first()
    {
        Put(Some.Job(cronExpr: "*/10 * * * * *"));
        Take(new FireEvent.JobsListed());
        foreach (var origin in new[] { "a", "b" })
        {
            var asked = new RunSpec(P, RunSpec.Manual, P.AddSeconds(-1), Origin: origin);
            Take(new FireEvent.RunRequested(JobName.Parse("hello"), asked, Revision: 50));
        }

        var first = Acted().OfType<FireAction.Ask>().Single();
        Assert.Single(first.Request.Fires);
        At(P.AddSeconds(-1));
        Assert.Empty(Acted());

        Grant(first);

        var next = Acted().OfType<FireAction.Ask>().Single();
        Assert.False(Assert.Single(next.Request.Fires).IsQueued);
    }

    [Fact]
    public void A_run_that_a_restored_etcd_grants_again_keeps_its_command_and_takes_over_the_new_claim()
    {
        var run = Claimed("hello");
        At(P);
        Assert.Single(Acted().OfType<FireAction.Start>());
        End(run);
        Take(new FireEvent.EtcdReplaced());
        _revision = 40;

        Take(new FireEvent.Due(new Fire(run.Name, P, Some.Plan(Some.Job("hello"), 1), rank: 0)));
        At(P);
        Grant(Acted().OfType<FireAction.Ask>().Single());

        Assert.Empty(Acted());
        Assert.Equal((40, 0, 0), (run.HeldAt, _fires.Slots.Taken, _fires.Slots.Promised));
        var key = new KeyValue { CreateRevision = 40, ModRevision = 40, Value = InFlight(run) };
        var refused = new TxnResponse { Responses = { new ResponseOp { ResponseRange = new RangeResponse { Kvs = { key } } } } };
        Assert.False(new CompletionTxn(Some.Keys, "w1").IsSettled(run, refused)); // It is completed again, with the new revision.
    }

    [Fact]
    public void A_fire_that_no_slot_was_free_for_is_missed_with_that_reason_when_the_next_one_comes()
    {
        Reconfigure(slots: 1);
        var other = Claimed("other", P.AddSeconds(-5));
        At(P.AddSeconds(-5));
        Put(Some.Job(cronExpr: "*/10 * * * * *"));
        Acted();
        At(P.AddSeconds(-1));
        Assert.Empty(Acted());
        At(P.AddSeconds(9));
        AnswerLook(cursor: P.AddSeconds(-10));
        At(P.AddSeconds(10));
        Assert.Empty(Acted());

        End(other);
        AnswerLook(cursor: P.AddSeconds(-10));

        var fire = Assert.Single(Acted().OfType<FireAction.Ask>().Single().Request.Fires);
        Assert.Equal(P.AddSeconds(10), fire.PlanTime);
        Assert.Equal("no worker claimed it; this one had no free slot", fire.Backlog!.Missed!.Why);
    }

    [Theory]
    [InlineData("0 * * * * *", 57.0, true)]   // The next fire is a minute later.
    [InlineData("0 * * * * *", 59.2, false)]  // Then the run would be in its way.
    [InlineData("@every 1h", 59.4, true)]
    [InlineData("@every 1h", 59.6, false)]    // The start deadline is 60 s.
    public void A_start_that_came_too_late_is_tried_again_while_the_run_may_start(string cronExpr, double after, bool again)
    {
        var minute = Some.Now.AddMinutes(1);
        var run = Claimed("hello", minute, cronExpr);
        At(minute);
        Assert.Single(Acted().OfType<FireAction.Start>());

        _moment = _moment with { Now = minute.AddSeconds(after) };
        Take(new FireEvent.StartedTooLate(run, "the holder was stalled"));

        if (!again)
        {
            Assert.Equal(
                [new FireAction.Drop(run), new FireAction.RecordNotStarted(run, RunStatus.Missed, "the holder was stalled")], Acted());
            Assert.Equal((0, 0), (_fires.Slots.Taken, _fires.Slots.Promised));
            return;
        }

        var acted = Acted();
        Assert.Equal(new FireAction.DropToRetry(run, "the holder was stalled"), acted[0]);
        Assert.Equal([run], Assert.IsType<FireAction.Prepare>(Assert.Single(acted[1..])).Runs);
        Assert.Equal((0, 1), (_fires.Slots.Taken, _fires.Slots.Promised));
        At(minute.AddSeconds(after + 0.4));
        Assert.Empty(Acted());
        At(minute.AddSeconds(after + 0.5));
        Assert.Equal([run], Assert.IsType<FireAction.Start>(Assert.Single(Acted())).Runs);
    }

    [Theory]
    [InlineData("killed", "killed before it started: enough")]
    [InlineData("deleted", "deleted")]
    public void A_start_that_came_too_late_is_not_tried_again_when_the_run_was_ended_meanwhile(string how, string why)
    {
        var run = Claimed("hello", cronExpr: "@every 1h");
        At(P);
        Take(how == "killed"
            ? new FireEvent.KillRequested(run.Name, new KillRequest("", "enough"), Revision: _revision + 1)
            : new FireEvent.JobGone(run.Name, Revision: _revision + 1, "deleted"));

        Take(new FireEvent.StartedTooLate(run, "the holder was stalled"));

        Assert.Equal(new FireAction.RecordNotStarted(run, RunStatus.Cancelled, why), Acted()[^1]);
        Assert.Equal((0, 0), (_fires.Slots.Taken, _fires.Slots.Promised));
    }

    [Fact]
    public void In_mode_all_a_run_that_waits_to_start_is_cancelled_by_the_one_that_replaces_it()
    {
        var job = Some.Job(cronExpr: "@every 1h") with { Mode = JobMode.All, Overlap = Overlap.Replace };
        var run = Claimed(job, P);
        At(P);
        Put(job);
        Take(new FireEvent.JobsListed());
        Take(new FireEvent.StartedTooLate(run, "the holder was stalled"));
        Acted();

        var other = new RunSpec(P, RunSpec.Manual, P, Origin: "x", Worker: "w1");
        Take(new FireEvent.RunRequested(run.Name, other, Revision: _revision + 1));
        At(P.AddSeconds(0.3));

        var ended = Assert.Single(Acted().OfType<FireAction.RecordNotStarted>());
        Assert.Equal((run, RunStatus.Cancelled), (ended.Run, ended.Status));
        Assert.StartsWith("killed before it started: ", ended.Why);
    }

    [Fact]
    public void A_run_waits_while_its_user_s_holder_is_silent_and_those_of_other_users_start()
    {
        var (silent, other) = (Claimed("silent", cronExpr: "@every 1h"), Claimed("other", cronExpr: "@every 1h"));
        other.User = "operator";
        Take(new FireEvent.HoldersSilent([""]));
        At(P);
        Assert.Equal([other], Acted().OfType<FireAction.Start>().Single().Runs);

        At(P.AddSeconds(30));
        Assert.Empty(Acted());
        Take(new FireEvent.HoldersSilent([]));
        At(P.AddSeconds(30.1));
        Assert.Equal([silent], Acted().OfType<FireAction.Start>().Single().Runs);
    }

    [Theory]
    [InlineData("@every 1h", "not started within 60 s: the holder (the process that starts commands) did not answer")]
    [InlineData("*/10 * * * * *", "the holder (the process that starts commands) did not answer")]
    public void A_run_whose_holder_stays_silent_is_missed_at_its_start_deadline_or_before_the_next_fire(string cronExpr, string why)
    {
        var run = Claimed("hello", cronExpr: cronExpr);
        Take(new FireEvent.HoldersSilent([""]));
        for (var second = 0; second < (cronExpr == "@every 1h" ? 60 : 9); second++)
        {
            At(P.AddSeconds(second));
        }

        Assert.Empty(Acted());
        At(P.AddSeconds(cronExpr == "@every 1h" ? 60.1 : 9.7));
        Assert.Equal(new FireAction.RecordNotStarted(run, RunStatus.Missed, why), Acted()[^1]);
    }

    [Theory]
    [InlineData(JobMode.One)]
    [InlineData(JobMode.All)]
    public void A_queued_run_that_was_not_claimed_while_the_clock_was_an_hour_ahead_is_claimed_when_it_is_right_again(JobMode mode)
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2099") with { Mode = mode };
        Put(job);
        Take(new FireEvent.JobsListed());
        _moment = _moment with { MayClaim = false };
        At(Some.Now.AddHours(1));
        Take(new FireEvent.RunRequested(
            JobName.Parse(job.Name), new RunSpec(Some.Now, RunSpec.Manual, Some.Now, Origin: "manual-1", Worker: "w1"), Revision: 50));
        Assert.Empty(Acted().OfType<FireAction.Ask>());

        _moment = _moment with { MayClaim = true };
        At(Some.Now.AddSeconds(5));

        Assert.IsType<FireRequest.Claim>(Acted().OfType<FireAction.Ask>().Single().Request);
    }

    [Fact]
    public void A_planned_run_that_was_not_claimed_while_the_clock_was_an_hour_ahead_is_claimed_when_it_is_right_again()
    {
        Put(Some.Job(cronExpr: "10 0 10 22 11 * 2026") with { Mode = JobMode.All, StartDeadlineSeconds = 7200 });
        _moment = _moment with { MayClaim = false };
        At(P.AddSeconds(-0.5));
        At(P.AddHours(1));
        Assert.Empty(Acted().OfType<FireAction.Ask>());

        _moment = _moment with { MayClaim = true };
        At(P.AddSeconds(5));

        Assert.Single(Acted().OfType<FireAction.Ask>());
    }

    [Fact]
    public void A_run_claimed_for_a_time_that_a_step_of_the_clock_moves_an_hour_away_starts_at_once()
    {
        Put(Some.Job(cronExpr: "0 0 * * * *"));
        At(Hour.AddSeconds(-1));
        var ask = Acted().OfType<FireAction.Ask>().Single();
        At(Hour.AddHours(-1));
        Grant(ask);

        var acted = Acted();
        Assert.Equal(acted.OfType<FireAction.Prepare>().Single().Runs, acted.OfType<FireAction.Start>().Single().Runs);
    }

    [Fact]
    public void A_claimed_run_whose_time_is_near_waits_for_it_although_the_clock_is_stepped_back()
    {
        var run = Claimed("hello");
        At(P.AddSeconds(-0.5));
        At(P.AddSeconds(-1.9));
        Assert.Empty(Acted().OfType<FireAction.Start>());

        At(P);
        Assert.Equal([run], Acted().OfType<FireAction.Start>().Single().Runs);
    }

    [Fact]
    public void In_mode_all_a_plan_time_that_comes_again_does_not_replace_its_own_run()
    {
        Put(Some.Job(cronExpr: "10 0 10 22 11 * 2026") with { Mode = JobMode.All, Overlap = Overlap.Replace });
        At(P.AddSeconds(-1));
        Grant(Acted().OfType<FireAction.Ask>().Single());
        At(P);
        var run = Acted().OfType<FireAction.Start>().Single().Runs.Single();
        Take(new FireEvent.Started(run, RunningCommand.NotStarted("for this test")));
        At(P.AddSeconds(5));
        Acted();

        At(P.AddSeconds(-5));
        At(P.AddSeconds(-1));
        AnswerLook(cursor: P);
        At(P);
        At(P.AddSeconds(1));

        Assert.Empty(Acted());
    }

    [Fact]
    public void A_retry_that_is_due_later_is_not_claimed_because_the_clock_was_ahead()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2099");
        Put(job);
        Take(new FireEvent.JobsListed());
        At(Some.Now.AddHours(1));
        var retry = new RunSpec(Some.Now, RunSpec.Retry, Some.Now.AddMinutes(30), Attempt: 2);
        Take(new FireEvent.RunRequested(JobName.Parse(job.Name), retry, Revision: 50));
        var lost = Acted().OfType<FireAction.Ask>().Single();
        Take(new FireEvent.Answered(lost.Request, [new ClaimAnswer.Failed(MayBeDone: true, IsRefused: false)]));

        At(Some.Now.AddSeconds(5));
        var look = Acted().OfType<FireAction.Ask>().Single();
        var inQueue = new KeyValue { Key = ByteString.CopyFromUtf8("k"), ModRevision = 50 };
        Take(new FireEvent.Answered(look.Request, [new ClaimAnswer.Looked(inQueue)]));
        Assert.Empty(Acted());

        At(Some.Now.AddSeconds(6));
        Assert.IsType<FireRequest.Look>(Acted().OfType<FireAction.Ask>().Single().Request);
    }

    [Fact]
    public void A_fire_that_was_late_by_a_wrong_clock_starts_on_time_when_it_is_right_again()
    {
        Put(Some.Job(cronExpr: "10 0 10 22 11 * 2026"));
        At(P.AddSeconds(-5));
        _moment = _moment with { MayClaim = false };
        At(P.AddHours(1));
        AnswerLook(cursor: P.AddDays(-1));

        _moment = _moment with { MayClaim = true };
        At(P.AddSeconds(-1.5));
        At(P.AddSeconds(-1));
        Grant(Acted().OfType<FireAction.Ask>().Single());
        At(P);

        Assert.Equal(P, Acted().OfType<FireAction.Start>().Single().Runs.Single().Spec.PlanTime);
    }

    [Fact]
    public void A_fire_that_etcd_is_asked_about_while_its_wrong_clock_is_set_right_starts_on_time()
    {
        Put(Some.Job(cronExpr: "10 0 10 22 11 * 2026"));
        At(P.AddSeconds(-5));
        _moment = _moment with { MayClaim = false };
        At(P.AddHours(1));

        _moment = _moment with { MayClaim = true };
        At(P.AddSeconds(-1.5));
        AnswerLook(cursor: P.AddDays(-1));
        Assert.Empty(Acted());
        At(P.AddSeconds(-1));
        Grant(Acted().OfType<FireAction.Ask>().Single());
        At(P);

        Assert.Equal(P, Acted().OfType<FireAction.Start>().Single().Runs.Single().Spec.PlanTime);
    }

    [Fact]
    public void A_run_by_hand_that_a_clock_an_hour_ahead_has_queued_starts_when_the_run_in_its_way_has_ended()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2099");
        Put(job);
        Take(new FireEvent.JobsListed());
        var hourAhead = new RunSpec(Some.Now.AddHours(1), RunSpec.Manual, Some.Now.AddHours(1), Origin: "manual-1");
        Take(new FireEvent.RunRequested(JobName.Parse(job.Name), hourAhead, Revision: 50));
        var claim = Acted().OfType<FireAction.Ask>().Single();
        var inQueue = new KeyValue { Key = ByteString.CopyFromUtf8("k"), ModRevision = 50 };
        Take(new FireEvent.Answered(claim.Request, [new ClaimAnswer.NotMine(inQueue, JobOf(job), ["another run"])]));

        At(Some.Now.AddSeconds(0.3));
        Grant(Acted().OfType<FireAction.Ask>().Single());

        Assert.Single(Acted().OfType<FireAction.Start>());
    }

    [Fact]
    public void A_plan_time_of_an_outage_has_an_ending_also_if_its_job_was_saved_meanwhile()
    {
        var job = Some.Job(cronExpr: "10 0 10 22 11 * 2026");
        Put(job);
        At(P.AddMinutes(5));
        AnswerLook(cursor: P.AddDays(-1));
        var claim = Acted().OfType<FireAction.Ask>().Single();
        var cursor = new KeyValue
        {
            Value = ByteString.CopyFromUtf8(new Cursor(P.AddDays(-1), "w2", "-", Cursor.Claimed).ToString()),
            ModRevision = _revision,
        };
        Take(new FireEvent.Answered(claim.Request, [new ClaimAnswer.NotMine(cursor, JobOf(job, revision: 2), [])]));

        AnswerLook(cursor: P.AddDays(-1));

        var again = Acted().OfType<FireAction.Ask>().Single().Request.Fires.Single();
        Assert.Equal((2, 1), (again.Plan.Revision, again.Backlog?.Missed?.Count));
    }

    private static Dts.Worker.Fires.Fires Make(int slots) =>
        new(new FireContext("w1", Some.Keys, CronZone.Utc, TimeSpan.FromSeconds(1), slots, Some.Now), new Dictionary<string, string>());

    private void Put(Job job) => Take(new FireEvent.JobPut(JobName.Parse(job.Name), Some.Plan(job, 1), null));

    private void Take(FireEvent happened)
    {
        foreach (var action in _fires.Take(happened, _moment))
        {
            _actions.Add(action);
            if (action is FireAction.Prepare(var runs))
            {
                Take(new FireEvent.Prepared([.. runs.Select(run => new Preparation(run, _refusal))]));
            }
        }
    }

    private void At(DateTimeOffset now)
    {
        _moment = _moment with { Now = now };
        Take(new FireEvent.Tick());
    }

    private List<FireAction> Acted()
    {
        var acted = _actions.ToList();
        _actions.Clear();
        return acted;
    }

    private void Reconfigure(int slots) => Take(new FireEvent.Reconfigured(new Dictionary<string, string>(), slots));

    private void End(Run run)
    {
        Take(new FireEvent.Started(run, RunningCommand.NotStarted("for this test")));
        Take(new FireEvent.Ended(run, TimeSpan.FromSeconds(1)));
    }

    /// <summary>Answers that all fires of a claim are this worker's.</summary>
    private void Grant(FireAction.Ask ask)
    {
        var answers = ask.Request.Fires.Select(fire => new ClaimAnswer.Mine(JobOf(Some.Job(fire.Name.Value)), _revision, Session));
        Take(new FireEvent.Answered(ask.Request, [.. answers]));
    }

    /// <summary>Answers a look at the cursor of a job.</summary>
    private void AnswerLook(DateTimeOffset cursor)
    {
        var look = Acted().OfType<FireAction.Ask>().Single().Request;
        var value = new Cursor(cursor, "w2", "-", Cursor.Claimed).ToString();
        var pair = new KeyValue { Value = ByteString.CopyFromUtf8(value), ModRevision = _revision };
        Take(new FireEvent.Answered(look, [new ClaimAnswer.Looked(pair)]));
    }

    /// <summary>The value of the key of a run in flight.</summary>
    private static ByteString InFlight(Run run) => ByteString.CopyFromUtf8(JsonSerializer.Serialize(
        new ClaimedRun("w1", Session.ToString(), run.ClaimedAt, run.Spec), JobsJson.Readable.ClaimedRun));

    private static KeyValue JobOf(Job job, long revision = 1) =>
        new() { Value = ByteString.CopyFromUtf8(JobJson.ToJson(job)), ModRevision = revision };

    /// <summary>A run that is claimed for a time and waits for it.</summary>
    private Run Claimed(string name, DateTimeOffset? planTime = null, string cronExpr = "* * * * * *") =>
        Claimed(Some.Job(name, cronExpr), planTime);

    private Run Claimed(Job job, DateTimeOffset? planTime)
    {
        var before = Acted();
        Take(new FireEvent.Due(new Fire(JobName.Parse(job.Name), planTime ?? P, Some.Plan(job, 1), rank: 0)));
        _moment = _moment with { Now = Max(_moment.Now, (planTime ?? P).AddSeconds(-1)) };
        Take(new FireEvent.Tick());
        Grant(_actions.OfType<FireAction.Ask>().Single());
        var run = _actions.OfType<FireAction.Prepare>().Single().Runs.Single();
        _actions.Clear();
        _actions.AddRange(before);
        return run;
    }

    private static DateTimeOffset Max(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;
}
