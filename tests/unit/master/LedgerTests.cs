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
    public void A_record_that_stands_for_many_is_the_ending_of_each_of_them()
    {
        var missed = Some.Record(2, status: RunStatus.Missed) with { MissedCount = 2, MissedSince = T.ToUnixTimeMilliseconds() };

        var lines = List([], Some.Job(cronExpr: "0 * * * * *"), [Some.Record(0), missed]);

        Assert.All(lines, line => Assert.Equal("", line.Fault));
        Assert.Equal([RunStatus.Succeeded, RunStatus.Missed, RunStatus.Missed], lines.Select(line => line.Endings.Single().Status));
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

        var lines = Ledger.List(JobName.Parse("hashed"), changes, null, [], CronZone.Utc, T, T.AddMinutes(10), T.AddDays(1));

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
        var lines = Ledger.List(
            JobName.Parse("hello"),
            [],
            Some.Job(cronExpr: "0 * * * * *"),
            [Some.Record(0)],
            CronZone.Utc,
            T,
            T.AddMinutes(3),
            T.AddSeconds(70));

        Assert.Equal([("", ""), ("no ending", ""), ("", "to come")], lines.Select(line => (line.Fault, line.Note)));
        Assert.Equal("2026-11-22T10:02:00Z  to come", $"{lines[2]}");
    }

    [Fact]
    public void A_truncated_list_says_so()
    {
        var lines = Ledger.List(JobName.Parse("hello"), [], Some.Job(), [], CronZone.Utc, T, T.AddDays(2), T);

        Assert.Equal(Ledger.LinesMax + 1, lines.Count);
        Assert.Equal((T.AddSeconds(Ledger.LinesMax), "more follow: ask again from here"), (lines[^1].PlanTime, lines[^1].Note));
    }

    private static LedgerLine FirstOf(IReadOnlyList<RunRecord> records) => List([], Some.Job(cronExpr: "0 * * * * *"), records)[0];

    private static IReadOnlyList<LedgerLine> List(IReadOnlyList<ScheduleChange> changes, Job job, IReadOnlyList<RunRecord> records) =>
        Ledger.List(JobName.Parse(job.Name), changes, job, records, CronZone.Utc, T, T.AddMinutes(3), T.AddMinutes(3));
}
