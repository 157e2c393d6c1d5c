using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class LedgerTests
{
    private static readonly DateTimeOffset T = Some.Now;

    [Fact]
    public void Every_plan_time_is_listed_with_its_ending_and_one_without_is_named()
    {
        var lines = List([], Some.Job(cronExpr: "0 * * * * *"), [Some.Record(0), Some.Record(2, status: RunStatus.Skipped)]);

        Assert.Equal([T, T.AddMinutes(1), T.AddMinutes(2)], lines.Select(line => line.PlanTime));
        Assert.Equal(["", "no ending", ""], lines.Select(line => line.Fault));
        Assert.Equal("2026-11-22T10:01:00Z  -  << no ending", $"{lines[1]}");
        Assert.StartsWith("2026-11-22T10:02:00Z  skipped w1 (", $"{lines[2]}");
    }

    [Fact]
    public void A_record_for_several_plan_times_is_the_ending_of_each()
    {
        var missed = Some.Record(2, status: RunStatus.Missed) with { MissedCount = 2, MissedSince = T.ToUnixTimeMilliseconds() };

        var lines = List([], Some.Job(cronExpr: "0 * * * * *"), [Some.Record(0), missed]);

        Assert.All(lines, line => Assert.Equal("", line.Fault));
        Assert.Equal([RunStatus.Succeeded, RunStatus.Missed, RunStatus.Missed], lines.Select(line => line.Endings.Single().Status));
    }

    [Fact]
    public void If_a_plan_time_that_a_record_counts_as_missed_ran_before_etcd_was_restored_its_run_counts()
    {
        var missed = Some.Record(1, status: RunStatus.Missed) with
        {
            Id = $"hello/{RunId.Of(T.AddMinutes(1))}-missed-2", MissedCount = 2, MissedSince = T.AddMinutes(-1).ToUnixTimeMilliseconds(),
        };

        var lines = List([], Some.Job(cronExpr: "0 * * * * *"), [missed, Some.Record(1)]);

        Assert.Equal(
            [(RunStatus.Missed, ""), (RunStatus.Succeeded, "two endings")],
            lines.Take(2).Select(line => (line.Counting!.Status, line.Fault)));
    }

    [Fact]
    public void Two_endings_of_one_attempt_are_a_fault_and_those_of_two_attempts_or_of_two_workers_in_mode_all_are_not()
    {
        var first = Some.Record(0, status: RunStatus.Failed);
        var summary = Some.Record(
            1, status: RunStatus.Missed) with { MissedCount = 2, MissedSince = T.AddMinutes(-1).ToUnixTimeMilliseconds() };
        var retry = Some.Record(0) with { Attempt = 2, Trigger = RunSpec.Retry, Id = $"hello/{RunId.Of(T, attempt: 2)}" };
        var (one, other) = (
            Some.Record(0) with { Id = $"hello/{RunId.Of(T, worker: "w1")}" },
            Some.Record(0) with { Id = $"hello/{RunId.Of(T, worker: "w2")}" });

        Assert.Equal("two endings", FirstOf([first, summary]).Fault);
        Assert.Equal("", FirstOf([first, retry]).Fault);
        Assert.Equal("", FirstOf([one, other]).Fault);
    }

    [Fact]
    public void Runs_by_hand_and_after_other_jobs_and_their_retries_are_no_endings_of_a_plan_time()
    {
        RunRecord[] others =
        [
            Some.Record(0) with { Trigger = RunSpec.Manual, Id = "hello/20261122T100000Z-manual-1" },
            Some.Record(0) with { Trigger = RunSpec.Dependent, Id = "hello/20261122T100000Z-after-1" },
            Some.Record(0) with { Trigger = RunSpec.Retry, Attempt = 2, Id = "hello/20261122T100000Z-manual-1-2" },
        ];

        Assert.Equal("no ending", FirstOf(others).Fault);
    }

    [Fact]
    public void The_plan_times_are_those_of_the_schedule_that_was_there_then()
    {
        ScheduleChange[] changes =
        [
            new(T.AddMinutes(-10), "0 * * * * *", ""),
            new(T.AddSeconds(30), "", ""), // paused
            new(T.AddSeconds(90), "*/30 * * * * *", ""),
        ];

        var lines = List(changes, Some.Job(cronExpr: "*/30 * * * * *"), []);

        Assert.Equal([T, T.AddSeconds(120), T.AddSeconds(150)], lines.Select(line => line.PlanTime));
    }

    [Fact]
    public void The_plan_times_of_a_deleted_job_with_H_are_those_that_it_had()
    {
        var job = Some.Job("hashed", "H * * * * *");
        Assert.True(JobSchedule.TryParse(job, CronZone.Utc, out var schedule, out _));
        ScheduleChange[] changes = [new(T.AddMinutes(-10), job.CronExpr, ""), new(T.AddMinutes(2), "", "")];

        var lines = List("hashed", changes, null, [], T.AddMinutes(10), T.AddDays(1));

        Assert.Equal(
            [schedule!.Next(T.AddTicks(-1)), schedule.Next(T.AddMinutes(1).AddTicks(-1))],
            lines.Select(line => (DateTimeOffset?)line.PlanTime));
    }

    [Fact]
    public void The_time_before_the_oldest_of_a_hundred_changes_is_listed_as_unknown()
    {
        var changes = Enumerable.Range(0, ScheduleChange.Kept)
            .Select(n => new ScheduleChange(T.AddSeconds(60 + n), "0 * * * * *", ""))
            .ToList();

        var lines = List(changes, Some.Job(cronExpr: "0 * * * * *"), []);

        Assert.Equal(
            (T, "not known up to 2026-11-22T10:01:00Z: only the latest 100 changes of the schedule are kept", ""),
            (lines[0].PlanTime, lines[0].Note, lines[0].Fault));
        Assert.Equal([T.AddMinutes(2)], lines.Skip(1).Select(line => line.PlanTime));
    }

    [Fact]
    public void A_plan_time_to_come_is_not_a_fault()
    {
        var lines = List("hello", [], Some.Job(cronExpr: "0 * * * * *"), [Some.Record(0)], T.AddMinutes(3), T.AddSeconds(70));

        Assert.Equal([("", ""), ("no ending", ""), ("", "to come")], lines.Select(line => (line.Fault, line.Note)));
        Assert.Equal("2026-11-22T10:02:00Z  to come", $"{lines[2]}");
    }

    [Fact]
    public void A_truncated_list_says_where_it_goes_on()
    {
        var plan = Ledger.Plan(JobName.Parse("hello"), [], Some.Job(), CronZone.Utc, T, T.AddDays(2), Ledger.LinesMax);

        Assert.Equal(Ledger.LinesMax, plan.Times.Count);
        Assert.Equal(T.AddSeconds(Ledger.LinesMax), plan.More);
    }

    [Fact]
    public void A_line_says_how_it_ended_why_and_who_decided()
    {
        var lines = List(
            [],
            Some.Job(cronExpr: "0 * * * * *"),
            [
                Some.Record(0) with { EndTime = Some.Record(0).StartTime + 72_000 },
                Some.Record(1, status: RunStatus.Cancelled) with { Worker = "master", Err = "killed before it started: by request" },
            ]);

        Assert.Equal(
            [
                ("succeeded", "ended on w1 after 1 min 12 s", "worker", "w1"),
                ("cancelled", "killed before it started: by request", "master", "master"),
                ("unknown", "no record of its ending is in the log", "", ""),
            ],
            lines.Select(line => (line.Ending, line.Reason, line.DecidedBy, line.Worker)));
    }

    [Fact]
    public void The_last_attempt_counts_and_of_several_workers_the_worst_ending()
    {
        var retried = FirstOf(
        [
            Some.Record(0, status: RunStatus.Failed),
            Some.Record(0) with { Attempt = 2, Trigger = RunSpec.Retry, Id = $"hello/{RunId.Of(T, attempt: 2)}" },
        ]);
        var everywhere = FirstOf(
        [
            Some.Record(0) with { Id = $"hello/{RunId.Of(T, worker: "w1")}" },
            Some.Record(0, status: RunStatus.TimedOut) with { Worker = "w2", Id = $"hello/{RunId.Of(T, worker: "w2")}" },
            Some.Record(0, status: RunStatus.Skipped) with { Worker = "w3", Id = $"hello/{RunId.Of(T, worker: "w3")}" },
        ]);

        Assert.Equal(("succeeded", ""), (retried.Ending, retried.Fault));
        Assert.Equal(("timedOut", "w2"), (everywhere.Ending, everywhere.Worker));
    }

    [Fact]
    public void A_retry_on_a_worker_with_an_odd_name_and_a_record_of_the_original_are_endings_too()
    {
        var retry = Some.Record(0) with
        {
            Attempt = 2, Trigger = RunSpec.Retry, Id = $"hello/{RunId.Of(T, attempt: 2, worker: "x-manual-1")}",
        };

        Assert.Equal("", FirstOf([retry]).Fault);
        Assert.Equal("5f0c6d0a", FirstOf([Some.Record(0) with { Id = "5f0c6d0a" }]).Endings.Single().RunId);
    }

    [Fact]
    public void A_fire_without_a_record_has_its_state_in_etcd()
    {
        var run = RunSpec.Scheduled(T);
        var retry = run.Again(RunSpec.Retry, T.AddSeconds(40));
        var second = RunSpec.Scheduled(T.AddMinutes(1));
        var skipped = new OwedEnding("w2", "1", second, RunStatus.Skipped, "the previous run was still going", T);
        var later = new OwedEnding("w2", "1", run, RunStatus.Lost, "worker w1 lost", T);

        var running = Judge([], [InFlight(run)], [skipped], T).Take(2);
        var queued = Judge(
            [Some.Record(0, status: RunStatus.Failed)], [UnendedRun.InQueue("hello", retry.Id, retry)], [later], T)[0];
        var ended = Judge([Some.Record(0)], [InFlight(run)], [later], T)[0];

        Assert.Equal(
            [("running", "runs on w1", "w1", ""), ("skipped", "the previous run was still going", "w2", "")],
            running.Select(line => (line.Ending, line.Reason, line.Worker, line.Fault)));
        Assert.Equal(
            ("queued", "waits in the queue as attempt 2, not before 2026-11-22T10:00:40Z", ""),
            (queued.Ending, queued.Reason, queued.Fault));
        Assert.Equal(("succeeded", ""), (ended.Ending, ended.Fault));
    }

    [Fact]
    public void A_fire_that_may_still_start_is_planned_and_one_that_was_dealt_with_needs_a_record()
    {
        var lines = Judge([], [], [], cursor: T);

        Assert.Equal(
            [
                ("unknown", "a worker has dealt with it, and no record of its ending is in the log", "no ending"),
                ("unknown", "no worker has dealt with it", "no ending"),
                ("planned", "due: no worker has claimed it yet; it may start until 2026-11-22T10:03:00Z", ""),
            ],
            lines.Select(line => (line.Ending, line.Reason, line.Fault)));
    }

    private static UnendedRun InFlight(RunSpec run) =>
        UnendedRun.InFlight("hello", run.Id, new ClaimedRun("w1", "1", T, run), isKillAsked: false);

    private static IReadOnlyList<LedgerLine> Judge(
        IReadOnlyList<RunRecord> records, IReadOnlyList<UnendedRun> runs, IReadOnlyList<OwedEnding> owed, DateTimeOffset? cursor)
    {
        var (name, job) = (JobName.Parse("hello"), Some.Job(cronExpr: "0 * * * * *"));
        var plan = Ledger.Plan(name, [], job, CronZone.Utc, T, T.AddMinutes(3), 100);
        return Ledger.Judge(
            plan, records, T.AddMinutes(2).AddSeconds(5), new FiresInEtcd(runs, owed, name, cursor, TimeSpan.FromSeconds(60)));
    }

    private static LedgerLine FirstOf(IReadOnlyList<RunRecord> records) => List([], Some.Job(cronExpr: "0 * * * * *"), records)[0];

    private static IReadOnlyList<LedgerLine> List(IReadOnlyList<ScheduleChange> changes, Job job, IReadOnlyList<RunRecord> records) =>
        List(job.Name, changes, job, records, T.AddMinutes(3), T.AddMinutes(3));

    private static IReadOnlyList<LedgerLine> List(
        string name,
        IReadOnlyList<ScheduleChange> changes,
        Job? job,
        IReadOnlyList<RunRecord> records,
        DateTimeOffset to,
        DateTimeOffset now) =>
        Ledger.Judge(Ledger.Plan(JobName.Parse(name), changes, job, CronZone.Utc, T, to, Ledger.LinesMax), records, now);
}
