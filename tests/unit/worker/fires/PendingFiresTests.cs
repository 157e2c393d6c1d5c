using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Fires;
using Xunit;

namespace Dts.Tests.Unit.Worker.Fires;

public sealed class PendingFiresTests
{
    private static readonly TimeSpan Ahead = TimeSpan.FromSeconds(1);

    private readonly FireContext _context;
    private readonly PendingFires _pending;
    private readonly EarlyFires _early;

    public PendingFiresTests()
    {
        _context = new FireContext("w1", Some.Keys, CronZone.Utc, Ahead, slots: 10, Some.Now);
        _pending = new PendingFires(_context);
        _early = new EarlyFires(_context, _pending);
    }

    [Fact]
    public void Fires_that_abstained_are_tried_again_oldest_first_while_there_is_room()
    {
        var fires = Enumerable.Range(0, 5).Select(n => Add($"job-{n}")).ToList();
        Assert.Equal(fires, Due(0));
        fires.ForEach(fire => _pending.Abstain(fire, TimeSpan.FromSeconds(10)));
        _pending.Forget(fires[1]);

        Assert.Empty(Due(0));
        Assert.Equal([fires[0], fires[2]], Due(2));
        Step(TimeSpan.FromSeconds(10));
        Assert.Equal([fires[3], fires[4]], Due(5));
        Assert.Empty(Due(5));
    }

    [Theory]
    [InlineData(JobMode.One, 0)] // Its claim of a later fire accounts for the earlier ones.
    [InlineData(JobMode.All, 1)] // Its own cursor begins when it joins.
    public void Unmatched_fires_are_left_to_a_worker_that_joins_unless_they_predate_its_cursor(JobMode mode, int recordedNow)
    {
        var job = Some.Job() with { Mode = mode, Target = new Target(["w9"]), StartDeadlineSeconds = 60 };
        _pending.Add(Planned(job, seconds: 0));
        _pending.Add(Planned(job, seconds: 1));
        _pending.Add(Planned(Some.Job("other") with { Target = new Target(["w8"]) }, seconds: 0));

        _ = _pending.LeaveTo("w9", new Dictionary<string, string>(), isNew: true);

        Assert.Equal(recordedNow, Due(0).Count);
        Assert.NotNull(_pending.Find(JobName.Parse("other")));
        Assert.Equal(mode == JobMode.All, _pending.Find(JobName.Parse("hello")) is not null);
    }

    [Fact]
    public void A_fire_that_etcd_is_asked_about_while_the_clock_is_stepped_back_an_hour_is_not_claimed_for_a_time_to_come()
    {
        Step(TimeSpan.FromHours(1));
        var (fire, near) = (Add("hello"), Add("near"));
        Assert.Equal([fire, near], Due(0));
        fire.State = new FireState.Asking(TakesSlot: false, Closing: null);
        Assert.False(_early.TryTake(near));

        Step(TimeSpan.FromHours(-1));
        _early.TakeStepBack();
        Assert.Empty(Due(0));

        Assert.True(_early.TryTake(fire));
        Assert.Null(_pending.Find(fire.Name));
    }

    [Fact]
    public void Of_a_fire_far_ahead_those_behind_it_that_are_near_take_the_place()
    {
        Step(TimeSpan.FromHours(1));
        var far = Add("hello");
        Assert.Equal([far], Due(0));
        far.State = new FireState.Asking(TakesSlot: false, Closing: null);
        Step(TimeSpan.FromHours(-1));
        _early.TakeStepBack();
        var near = Add("hello");

        Assert.True(_early.TryTake(far));
        Assert.Equal(near, _pending.Find(near.Name));
    }

    [Fact]
    public void A_fire_far_ahead_that_was_late_by_a_wrong_clock_is_forgotten_and_planned_again()
    {
        Step(TimeSpan.FromHours(1));
        var far = Add("hello");
        far.IsMisfire = true;
        Assert.Equal([far], Due(0));
        far.State = new FireState.Asking(TakesSlot: false, Closing: null);
        Step(TimeSpan.FromHours(-1));
        _early.TakeStepBack();

        Assert.True(_early.TryTake(far));
        Assert.Null(_pending.Find(far.Name));
    }

    private void Step(TimeSpan by) => _context.Moment = _context.Moment with { Now = _context.Now + by };

    /// <summary>What is tried now.</summary>
    private List<Fire> Due(int slots)
    {
        var due = new List<ITimed>();
        _context.Wheel.Advance(_context.Now.ToUnixTimeMilliseconds(), due);
        due.ForEach(timed => _pending.Ring((Fire)timed));
        return _pending.TakeDue(slots);
    }

    private Fire Add(string name)
    {
        var fire = new Fire(JobName.Parse(name), _context.Now, Some.Plan(Some.Job(name), 1), 0);
        _pending.Add(fire);
        return fire;
    }

    private Fire Planned(Job job, int seconds) =>
        new(JobName.Parse(job.Name), _context.Now.AddSeconds(seconds), Some.Plan(job, 1), 0) { NobodyMatches = true };
}
