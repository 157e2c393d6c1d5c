using Dts.Common.Jobs;
using Dts.Master.Alerts;
using Dts.Tests.Support;
using Dts.Tests.Unit.Master.Views;
using Xunit;

namespace Dts.Tests.Unit.Master.Alerts;

/// <summary>What is wrong by the clock.</summary>
public sealed class AlertCheckTests
{
    private readonly SomeCluster _cluster = new();
    private readonly AlertCheck _check = new();

    [Theory]
    // Seven runs took 1, 2, … 7 s.
    [InlineData(3,  20,   "")]
    [InlineData(3,  22,   "runs for more than 3 times the 7 s that 95 of 100 runs took")]
    [InlineData(10, 69,   "")]
    [InlineData(10, 71,   "runs for more than 10 times the 7 s that 95 of 100 runs took")]
    [InlineData(1,  9,    "")]
    public void A_run_is_slow_after_a_multiple_of_the_95th_percentile_and_ten_seconds(double factor, int seconds, string reason)
    {
        _cluster.Put(Some.Job("a"));
        _cluster.Load(_cluster.Ended("a", [.. Enumerable.Repeat(RunStatus.Succeeded, 7)]));
        _cluster.Begin("a", secondsAgo: seconds);

        Assert.Equal(reason, Find(new AlertRule("c", On: [AlertEvent.Slow], SlowFactor: factor)));
    }

    [Fact]
    public void Four_successes_are_too_few_to_call_a_run_slow()
    {
        _cluster.Put(Some.Job("a"));
        _cluster.Load(_cluster.Ended("a", [.. Enumerable.Repeat(RunStatus.Succeeded, 4)]));
        _cluster.Begin("a", secondsAgo: 10_000);

        Assert.Equal("", Find(new AlertRule("c", On: [AlertEvent.Slow])));
    }

    [Theory]
    // The latest ended a minute ago.
    [InlineData(3600, "S S S", "")]
    [InlineData(100,  "S F F", "no run has succeeded since 2026-11-22 09:57:01 UTC")]
    [InlineData(3600, "S F F", "")]
    [InlineData(100,  "F F F", "no run has succeeded since 2026-11-22 09:57:00 UTC")]
    [InlineData(30,   "S",     "no run has succeeded since 2026-11-22 09:59:01 UTC")]
    public void A_job_without_a_success_for_some_time_is_found(int seconds, string endings, string reason)
    {
        _cluster.Put(Some.Job("a"));
        _cluster.Load(_cluster.Ended("a", [.. endings.Split(' ').Select(one => one == "S" ? RunStatus.Succeeded : RunStatus.Failed)]));

        Assert.Equal(reason, Find(new AlertRule("c", On: [AlertEvent.NoSuccess], NoSuccessSeconds: seconds)));
    }

    [Fact]
    public void A_job_that_fails_more_often_than_endings_are_kept_lacks_a_success_since_the_first_failure()
    {
        _cluster.Put(Some.Job("a"));
        for (var quarters = 0; quarters < 5; quarters++)
        {
            _cluster.State.EndingQueries.Load("a");
            _cluster.Load(_cluster.Ended("a", [.. Enumerable.Repeat(RunStatus.Failed, 20)]));
            _cluster.Now = _cluster.Now.AddMinutes(15);
        }

        Assert.Equal(
            "no run has succeeded since 2026-11-22 09:40:00 UTC",
            Find(new AlertRule("c", On: [AlertEvent.NoSuccess], NoSuccessSeconds: 3600)));
    }

    [Fact]
    public void Jobs_that_are_paused_new_unread_or_outside_the_filter_are_not_judged()
    {
        _cluster.Put(Some.Job("paused") with { Enabled = false }, Some.Job("new"), Some.Job("outside"));
        _cluster.Load([.. _cluster.Ended("paused", RunStatus.Failed), .. _cluster.Ended("outside", RunStatus.Failed)]);
        _cluster.Put(Some.Job("unread"));
        _cluster.Now = _cluster.Now.AddDays(1);

        Assert.Equal("", Find(new AlertRule("c", "-job:outside", [AlertEvent.NoSuccess], NoSuccessSeconds: 60)));
    }

    [Fact]
    public void A_worker_is_gone_a_minute_after_it_left()
    {
        _cluster.Register("w1");
        _cluster.Leave("w1");
        var rule = new AlertRule("c", On: [AlertEvent.WorkerGone]);
        _cluster.Now = Some.Now.AddSeconds(59);
        Assert.Equal("", Find(rule));

        _cluster.Now = Some.Now.AddSeconds(61);
        Assert.Equal("left at 2026-11-22 10:00:00 UTC and has not come back", Find(rule));

        _cluster.Register("w1");
        Assert.Equal("", Find(rule));
    }

    [Fact]
    public void A_worker_that_left_while_no_master_ran_has_been_gone_since_then()
    {
        _check.Begin(new AlertProgress(Some.Now.AddHours(-1), ["w1", "w2"]));
        _cluster.Register("w2");
        var rule = new AlertRule("c", On: [AlertEvent.WorkerGone]);

        Assert.Equal("left at 2026-11-22 09:00:00 UTC and has not come back", Find(rule));
        _cluster.Register("w1");
        Assert.Equal("", Find(rule));
    }

    [Fact]
    public void A_worker_that_left_while_no_master_ran_is_expected_for_a_day()
    {
        _check.Begin(new AlertProgress(Some.Now, ["w1"]));
        var rule = new AlertRule("c", On: [AlertEvent.WorkerGone]);
        _cluster.Now = Some.Now.AddHours(24);
        Assert.NotEqual("", Find(rule));

        _cluster.Now = Some.Now.AddHours(24).AddSeconds(1);
        Assert.Equal("", Find(rule));
    }

    [Fact]
    public void A_job_with_an_alert_of_its_own_is_checked_without_a_rule()
    {
        _cluster.Put(Some.Job("a") with { Alert = new JobAlert("c", [AlertEvent.NoSuccess], NoSuccessSeconds: 1) });
        _cluster.Load(_cluster.Ended("a", RunStatus.Failed));

        var seen = Assert.Single(_check.Find(_cluster.State, [], [], withJobs: true, _cluster.Now));

        Assert.Equal(AlertSubject.ForJob(AlertKeys.OfJob, "a"), seen.Watched.Subject);
        Assert.Single(seen.Found);
    }

    [Fact]
    public void A_slow_alert_stays_open_until_its_run_ends_whatever_the_clock_of_the_master()
    {
        var rule = new AlertRule("c", On: [AlertEvent.Slow]);
        _cluster.Put(Some.Job("a"));
        _cluster.Load(_cluster.Ended("a", [.. Enumerable.Repeat(RunStatus.Succeeded, 7)])); // Slow after 21 s.
        var run = _cluster.Begin("a", secondsAgo: 20);
        var open = Check(rule, OfJob, AlertState.Well, secondsAhead: 60);
        Assert.Equal([AlertEvent.Slow], open.Open.Keys);

        Assert.Same(open, Check(rule, OfJob, open));
        Assert.Same(open, Check(rule with { SlowFactor = 2.9 }, OfJob, open));
        Assert.Empty(Check(rule with { SlowFactor = 3.1 }, OfJob, open).Open);

        _cluster.End("a", run.Id);
        Assert.Empty(Check(rule, OfJob, open).Open);
    }

    [Fact]
    public void A_noSuccess_alert_stays_open_until_a_later_success_whatever_the_clock_of_the_master()
    {
        var rule = new AlertRule("c", On: [AlertEvent.NoSuccess], NoSuccessSeconds: 200);
        _cluster.Put(Some.Job("a"));
        _cluster.Load(_cluster.Ended("a", RunStatus.Succeeded, RunStatus.Failed, RunStatus.Failed)); // The success was 179 s ago.
        var open = Check(rule, OfJob, AlertState.Well, secondsAhead: 60);
        Assert.Equal([AlertEvent.NoSuccess], open.Open.Keys);

        Assert.Same(open, Check(rule, OfJob, open));
        Assert.Same(open, Check(rule with { NoSuccessSeconds = 190 }, OfJob, open));
        Assert.Empty(Check(rule with { NoSuccessSeconds = 210 }, OfJob, open).Open);
        _cluster.Put(Some.Job("a") with { Enabled = false });
        Assert.Empty(Check(rule, OfJob, open).Open);

        _cluster.Put(Some.Job("a"));
        _cluster.State.EndingQueries.Load("a");
        _cluster.Load(_cluster.Ended("a", RunStatus.Succeeded, RunStatus.Failed, RunStatus.Succeeded));
        Assert.Empty(Check(rule, OfJob, open).Open);
    }

    [Fact]
    public void A_workerGone_alert_stays_open_until_the_worker_is_back_whatever_the_clock_of_the_master()
    {
        var rule = new AlertRule("c", On: [AlertEvent.WorkerGone]);
        _cluster.Register("w1");
        _cluster.Leave("w1");
        var open = Check(rule, OfWorker, AlertState.Well, secondsAhead: 90);
        Assert.Equal([AlertEvent.WorkerGone], open.Open.Keys);

        Assert.Same(open, Check(rule, OfWorker, open));

        _cluster.Register("w1");
        Assert.Empty(Check(rule, OfWorker, open).Open);
    }

    [Theory]
    [InlineData(25, false)] // Another master may still know the worker, and would open the alert again.
    [InlineData(27, true)]
    public void A_workerGone_alert_is_forgotten_two_hours_after_the_day_in_which_masters_open_it(int hours, bool isForgotten) =>
        Assert.Equal(isForgotten, AlertCheck.IsForgotten(new OpenAlert(Some.Now, "left"), Some.Now.AddHours(hours)));

    private static AlertSubject OfJob => AlertSubject.ForJob("r", "a");

    private static AlertSubject OfWorker => AlertSubject.ForWorker("r", "w1");

    /// <summary>The state after a check by a master whose clock is ahead.</summary>
    private AlertState Check(AlertRule rule, AlertSubject subject, AlertState known, double secondsAhead = 0)
    {
        var now = _cluster.Now.AddSeconds(secondsAhead);
        var named = new NamedRule("r", rule, rule.ReadFilter(now));
        var result = _check.Find(_cluster.State, [named], [KeyValuePair.Create(subject, known)], withJobs: false, now)
            .Single(result => result.Watched.Subject == subject);
        return new AlertCore(result.Watched.Terms, known, now, isMuted: false).Check(result.Found, result.Over).State;
    }

    /// <summary>The reasons of all that is found.</summary>
    private string Find(AlertRule rule) => string.Join(
        '\n',
        _check.Find(_cluster.State, [new NamedRule("r", rule, rule.ReadFilter(_cluster.Now))], [], withJobs: false, _cluster.Now)
            .SelectMany(seen => seen.Found.Values).Select(open => open.Reason));
}
