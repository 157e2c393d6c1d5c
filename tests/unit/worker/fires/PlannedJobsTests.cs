using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Fires;
using Xunit;

namespace Dts.Tests.Unit.Worker.Fires;

/// <summary>Jobs of equal terms share a timer. None of them may notice the others.</summary>
public sealed class PlannedJobsTests
{
    private static readonly DateTimeOffset P = Some.Now.AddSeconds(10);

    private readonly JobPlan _plan = Some.Plan(Some.Job(cronExpr: "*/10 * * * * *"), 1);
    private readonly List<FireAction> _actions = [];
    private readonly Dts.Worker.Fires.Fires _fires =
        new(new FireContext("w1", Some.Keys, CronZone.Utc, TimeSpan.FromSeconds(1), slots: 10, Some.Now), new Dictionary<string, string>());

    private Moment _moment = new(Some.Now, new LeaseId(7), TimeSpan.FromSeconds(10), MayClaim: true);

    [Fact]
    public void Jobs_of_equal_terms_are_claimed_for_the_same_plan_times()
    {
        var other = Some.Plan(Some.Job(cronExpr: "30 * * * * *"), 1);
        Take(new FireEvent.Together([PutOf("a", _plan), PutOf("b", _plan), PutOf("other", other)]));
        Assert.Equal(3, _fires.Jobs);

        At(P.AddSeconds(-1));

        Assert.Equal([("a", P), ("b", P)], Asked());
    }

    [Fact]
    public void A_job_that_comes_while_the_others_are_claimed_gets_the_plan_time_that_is_still_ahead()
    {
        Take(PutOf("a", _plan));
        At(P.AddSeconds(-1));
        Assert.Equal([("a", P)], Asked());

        _moment = _moment with { Now = P.AddMilliseconds(-500) };
        Take(PutOf("b", _plan));

        Assert.Equal([("b", P)], Asked());
    }

    [Fact]
    public void A_job_that_is_put_again_gets_no_plan_time_a_second_time_unless_its_schedule_is_another()
    {
        Take(PutOf("a", _plan));
        Take(PutOf("b", _plan));
        At(P.AddSeconds(-1));
        Assert.Equal([("a", P), ("b", P)], Asked());

        _moment = _moment with { Now = P.AddMilliseconds(-500) };
        Take(PutOf("a", _plan with { Revision = 2 }));
        Take(PutOf("b", Some.Plan(Some.Job(cronExpr: "*/5 * * * * *"), 2)));
        At(P);
        Assert.Equal([("b", P)], Asked()); // Its cursor tells that this one is decided.

        At(P.AddSeconds(4));
        Assert.Equal([("b", P.AddSeconds(5))], Asked());
    }

    [Fact]
    public void A_job_that_comes_after_a_stall_gets_no_plan_time_from_before_it_was_there()
    {
        Take(PutOf("a", _plan));

        _moment = _moment with { Now = P.AddMinutes(5).AddSeconds(5) };
        Take(PutOf("b", _plan));
        Assert.Equal([("a", P.AddMinutes(5))], Asked());

        At(P.AddMinutes(5).AddSeconds(9));
        Assert.Contains(("b", P.AddMinutes(5).AddSeconds(10)), Asked());
    }

    [Fact]
    public void When_jobs_are_deleted_and_paused_the_others_of_their_terms_go_on()
    {
        foreach (var name in new[] { "a", "b", "c", "d" })
        {
            Take(PutOf(name, _plan));
        }

        Take(new FireEvent.JobGone(JobName.Parse("a"), Revision: 2, "deleted"));
        Take(PutOf("c", _plan with { Terms = _plan.Terms with { IsPaused = true } }));
        At(P.AddSeconds(-1));
        Assert.Equal([("b", P), ("d", P)], Asked().Order());
        Assert.Equal(3, _fires.Jobs);

        Take(new FireEvent.JobGone(JobName.Parse("b"), Revision: 3, "deleted"));
        Take(new FireEvent.JobGone(JobName.Parse("d"), Revision: 4, "deleted"));
        At(P.AddMinutes(1));
        Assert.Empty(Asked());
        Assert.Equal(1, _fires.Jobs);
    }

    [Fact]
    public void Each_job_of_a_schedule_that_has_ended_is_named()
    {
        var plan = Some.Plan(Some.Job(cronExpr: "@at 2026-11-22T10:00:10Z"), 1);
        Take(PutOf("a", plan));
        Take(PutOf("b", plan));
        At(P);
        _actions.RemoveAll(action => action is not FireAction.LogScheduleEnded);
        Take(PutOf("c", plan));

        Assert.Equal(["a", "b", "c"], _actions.OfType<FireAction.LogScheduleEnded>().Select(ended => ended.Name.Value));
    }

    private static FireEvent.JobPut PutOf(string name, JobPlan plan) => new(JobName.Parse(name), plan, null);

    private void Take(FireEvent happened) => _actions.AddRange(_fires.Take(happened, _moment));

    private void At(DateTimeOffset now)
    {
        _moment = _moment with { Now = now };
        Take(new FireEvent.Tick());
    }

    /// <summary>The fires that etcd was asked about. The answer is that another worker has dealt with them.</summary>
    private List<(string Job, DateTimeOffset PlanTime)> Asked()
    {
        List<Fire> fires = [];
        while (_actions.OfType<FireAction.Ask>().FirstOrDefault() is { } ask)
        {
            _actions.Remove(ask);
            fires.AddRange(ask.Request.Fires);
            Take(new FireEvent.Answered(ask.Request, [.. ask.Request.Fires.Select(_ => new ClaimAnswer.Gone())]));
        }

        return [.. fires.Select(fire => (fire.Name.Value, fire.PlanTime))];
    }
}
