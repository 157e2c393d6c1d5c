using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Fires;
using Google.Protobuf;
using Mvccpb;
using Xunit;

namespace Dts.Tests.Unit.Worker.Fires;

/// <summary>A claim whose answer is lost, of a job that fires every second.</summary>
public sealed class LostClaimTests
{
    private static readonly DateTimeOffset P = Some.Now.AddSeconds(1);
    private static readonly LeaseId Session = new(7);

    private readonly Dts.Worker.Fires.Fires _fires = new(
        new FireContext("w1", Some.Keys, CronZone.Utc, TimeSpan.FromSeconds(1), slots: 2, Some.Now),
        new Dictionary<string, string>());

    private readonly List<FireAction> _actions = [];
    private DateTimeOffset _now = Some.Now;
    private Job _job = Some.Job("a", cronExpr: "* * * * * *");

    [Fact]
    public void A_claim_that_takes_effect_after_the_next_fire_has_taken_over_is_found_and_started()
    {
        var lost = GiveWay();

        At(P.AddMilliseconds(250));
        Answer(Asked<FireRequest.Look>(), CursorAt(P));
        Answer(Asked<FireRequest.Recover>(), new ClaimAnswer.Mine(Job(), Revision: 9, Session));

        var run = Assert.Single(Assert.Single(_actions.OfType<FireAction.Prepare>()).Runs);
        Assert.Equal((lost.PlanTime, 9), (run.Spec.PlanTime, run.FencingToken));
    }

    [Theory]
    // In mode all only the worker keeps the runs of a job apart: etcd grants the claim of the next fire beside the lost one.
    [InlineData(9, false)]
    [InlineData(9, true)]
    [InlineData(13, false)] // It took effect after the next fire was claimed, and that one still runs.
    public void In_mode_all_it_starts_no_more_when_a_later_run_has_been_claimed(long token, bool hasEnded)
    {
        _job = _job with { Mode = JobMode.All };
        var lost = GiveWay();
        Answer(Asked<FireRequest.Claim>(), new ClaimAnswer.Mine(Job(), Revision: 12, Session));
        var next = Assert.Single(Assert.Single(_actions.OfType<FireAction.Prepare>()).Runs);
        if (hasEnded)
        {
            Take(new FireEvent.Completed(next));
        }

        _actions.Clear();
        At(P.AddMilliseconds(250));
        Answer(Asked<FireRequest.Look>(), CursorAt(P.AddSeconds(1)));
        Answer(Asked<FireRequest.Recover>(), new ClaimAnswer.Mine(Job(), token, Session));

        Assert.Empty(_actions.OfType<FireAction.Prepare>());
        var ending = Assert.Single(_actions.OfType<FireAction.RecordNotStarted>());
        Assert.Equal((lost.PlanTime, token, RunStatus.Missed), (ending.Run.Spec.PlanTime, ending.Run.FencingToken, ending.Status));
    }

    [Fact]
    public void A_fire_that_has_given_way_is_asked_about_for_a_minute_and_never_claimed_again()
    {
        var lost = GiveWay();
        Answer(Asked<FireRequest.Claim>(), new ClaimAnswer.Gone()); // The next fire is decided.
        Take(new FireEvent.JobGone(lost.Name, 2, "deleted"));
        _actions.Clear();

        for (var at = P; at < P.AddSeconds(60); at = at.AddMilliseconds(250))
        {
            At(at);
            foreach (var ask in _actions.ToList())
            {
                _actions.Remove(ask);
                var look = Assert.IsType<FireRequest.Look>(Assert.IsType<FireAction.Ask>(ask).Request);
                Assert.Equal([lost], look.Fires);
                Answer(look, CursorAt(P.AddSeconds(-1)));
            }
        }

        At(P.AddSeconds(61));
        Answer(Asked<FireRequest.Look>(), CursorAt(P.AddSeconds(-1)));
        At(P.AddSeconds(120));
        Assert.Empty(_actions);
    }

    /// <summary>Loses the answer to the claim of P and lets the next fire take over, because etcd has not moved the cursor yet.</summary>
    private Fire GiveWay()
    {
        Take(new FireEvent.JobPut(JobName.Parse("a"), Some.Plan(_job, 1), null));
        At(P.AddSeconds(-1));
        var claim = Asked<FireRequest.Claim>();
        Answer(claim, new ClaimAnswer.Failed(MayBeDone: true));
        At(P.AddMilliseconds(-750));
        var look = Asked<FireRequest.Look>();
        At(P);
        Answer(look, CursorAt(P.AddSeconds(-1)));
        Assert.Contains(_actions, action => action is FireAction.Ask { Request.Fires: [var next] } && next.PlanTime == P.AddSeconds(1));
        return claim.Fires[0];
    }

    private static ClaimAnswer.Looked CursorAt(DateTimeOffset planTime) => new(
        new KeyValue { Value = ByteString.CopyFromUtf8(new Cursor(planTime, "w2", "-", Cursor.Claimed).ToString()) });

    private KeyValue Job() => new() { Value = ByteString.CopyFromUtf8(JobJson.ToJson(_job)), ModRevision = 1 };

    private T Asked<T>()
        where T : FireRequest
    {
        var ask = Assert.Single(_actions, action => action is FireAction.Ask { Request: T });
        _actions.Remove(ask);
        return (T)((FireAction.Ask)ask).Request;
    }

    private void Answer(FireRequest request, ClaimAnswer answer) => Take(new FireEvent.Answered(request, [answer]));

    private void At(DateTimeOffset now)
    {
        _now = now;
        Take(new FireEvent.Tick());
    }

    private void Take(FireEvent happened) =>
        _actions.AddRange(_fires.Take(happened, new Moment(_now, Session, TimeSpan.FromSeconds(10), MayClaim: true)));
}
