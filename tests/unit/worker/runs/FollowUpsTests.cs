using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Unit.Worker.Runs;

public sealed class FollowUpsTests
{
    private static readonly Job Plain = Some.Job("a") with { Then = ["then"], OnFailure = ["mend"], Always = ["tidy"] };
    private static readonly RunSpec Run = RunSpec.Scheduled(Some.Now);

    [Theory]
    // The status of a run, and which jobs run after it.
    [InlineData(RunStatus.Succeeded, "then tidy")]
    [InlineData(RunStatus.Failed,    "mend tidy")]
    [InlineData(RunStatus.TimedOut,  "mend tidy")]
    [InlineData(RunStatus.Lost,      "mend tidy")]
    [InlineData(RunStatus.Killed,    "tidy")]
    [InlineData(RunStatus.Cancelled, "")]
    [InlineData(RunStatus.Skipped,   "")]
    [InlineData(RunStatus.Missed,    "")]
    public void The_jobs_that_depend_on_an_ending_follow_from_it(RunStatus status, string jobs)
    {
        var next = After(Plain, Run, status);

        Assert.Equal(jobs, string.Join(' ', next.Select(follow => follow.Job)));
        Assert.All(
            next, follow => Assert.Equal((RunSpec.Dependent, Some.Now, 1), (follow.Run.Trigger, follow.Run.PlanTime, follow.Run.Attempt)));
    }

    [Fact]
    public void One_cause_makes_one_run_and_two_causes_two()
    {
        var first = After(Plain, Run, RunStatus.Succeeded)[0].Run.Id;

        Assert.Equal(first, After(Plain, Run, RunStatus.Succeeded)[0].Run.Id);
        Assert.NotEqual(first, After(Plain with { Name = "b" }, Run, RunStatus.Succeeded)[0].Run.Id);
        Assert.NotEqual(first, After(Plain, Run with { Attempt = 2 }, RunStatus.Succeeded)[0].Run.Id);
    }

    [Fact]
    public void A_dependent_run_names_the_run_that_led_to_it_and_so_does_its_retry()
    {
        var next = After(Plain, Run, RunStatus.Succeeded)[0].Run;

        Assert.Equal($"{Plain.Name}/{Run.Id}", next.Cause);
        Assert.Equal(next.Cause, next.Again(RunSpec.Retry, Some.Now).Cause);
        Assert.Equal("", Run.Cause);
    }

    [Fact]
    public void A_failed_run_is_tried_again_before_anything_depends_on_it()
    {
        var job = Plain with { Retry = new Retry(Max: 2, DelaySeconds: 10, Backoff: 3, Elsewhere: true) };

        var (name, second) = Assert.Single(After(job, Run, RunStatus.Failed));
        Assert.Equal("a", name.Value);
        Assert.Equal((2, RunSpec.Retry, "w1", Some.Now.AddSeconds(10)), (second.Attempt, second.Trigger, second.Avoid, second.NotBefore));
        Assert.Equal("20261122T100000Z-2", second.Id);

        var (_, third) = Assert.Single(After(job, second, RunStatus.TimedOut));
        Assert.Equal((3, Some.Now.AddSeconds(30)), (third.Attempt, third.NotBefore));
        Assert.Equal(["mend", "tidy"], After(job, third, RunStatus.Failed).Select(follow => follow.Job.Value));
    }

    [Fact]
    public void A_lost_run_runs_again_if_the_job_asks_for_it_and_nobody_had_asked_for_its_end()
    {
        var job = Plain with { OnWorkerLost = OnWorkerLost.Rerun };

        var (name, again) = Assert.Single(After(job, Run, RunStatus.Lost));
        Assert.Equal(("a", 2, RunSpec.Rerun, Some.Now), (name.Value, again.Attempt, again.Trigger, again.NotBefore));
        Assert.Equal(
            ["mend", "tidy"],
            FollowUps.After(JobName.Parse(job.Name), job, Run, RunStatus.Lost, "w1", wasKilled: true, Some.Now, 0.5)
                .Select(follow => follow.Job.Value));
        Assert.Equal(["mend", "tidy"], After(job, Run with { Attempt = 21 }, RunStatus.Lost).Select(follow => follow.Job.Value));
    }

    [Theory]
    [InlineData(RunStatus.Skipped)]
    [InlineData(RunStatus.Missed)]
    [InlineData(RunStatus.Cancelled)]
    public void A_retry_that_is_given_up_leaves_the_failure_standing_and_what_depends_on_it_runs(RunStatus status)
    {
        var retry = Run.Again(RunSpec.Retry, Some.Now);

        Assert.Equal(["mend", "tidy"], After(Plain, retry, status).Select(follow => follow.Job.Value));
        Assert.Equal(
            ["mend", "tidy"],
            FollowUps.AfterGivenUp(JobName.Parse("a"), retry, ["mend", "tidy"], Some.Now).Select(follow => follow.Job.Value));
        Assert.Empty(FollowUps.AfterGivenUp(JobName.Parse("a"), Run, ["mend", "tidy"], Some.Now));
    }

    [Theory]
    // failures, chance -> seconds, of 10 s, doubling, 60 s at most
    [InlineData(1, 0.5, 10)]
    [InlineData(2, 0.5, 20)]
    [InlineData(3, 0.5, 40)]
    [InlineData(4, 0.5, 60)]
    [InlineData(90, 0.5, 60)]
    [InlineData(1, 0.0, 8)]
    [InlineData(4, 0.0, 48)]
    public void A_retry_waits_longer_each_time_up_to_a_limit_and_not_exactly_as_long_as_another(
        int failures, double chance, double seconds) =>
        Assert.Equal(
            seconds, RetryDelay.After(failures, new Retry(DelaySeconds: 10, Backoff: 2, MaxDelaySeconds: 60), chance).TotalSeconds, 6);

    private static IReadOnlyList<(JobName Job, RunSpec Run)> After(Job job, RunSpec run, RunStatus status) =>
        FollowUps.After(JobName.Parse(job.Name), job, run, status, "w1", wasKilled: false, Some.Now, chance: 0.5);
}
