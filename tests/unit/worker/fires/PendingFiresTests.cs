using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Fires;
using Xunit;

namespace Dts.Tests.Unit.Worker.Fires;

public sealed class PendingFiresTests
{
    private static readonly TimeSpan Ahead = TimeSpan.FromSeconds(1);

    private readonly ManualTime _time = new();
    private readonly PendingFires _pending;

    public PendingFiresTests() => _pending = new PendingFires(Ahead, _time);

    [Fact]
    public void Fires_that_abstained_are_tried_again_oldest_first_while_there_is_room()
    {
        var fires = Enumerable.Range(0, 5).Select(n => Add($"job-{n}")).ToList();
        Assert.Equal(fires, _pending.TakeDue(0));
        fires.ForEach(fire => _pending.Abstain(fire, TimeSpan.FromSeconds(10)));
        _pending.Forget(fires[1]);

        Assert.Empty(_pending.TakeDue(room: 0));
        Assert.Equal([fires[0], fires[2]], _pending.TakeDue(room: 2));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal([fires[3], fires[4]], _pending.TakeDue(room: 5));
        Assert.Empty(_pending.TakeDue(room: 5));
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

        _pending.LeaveTo("w9", new Dictionary<string, string>());

        Assert.Equal(recordedNow, _pending.TakeDue(0).Count);
        Assert.NotNull(_pending.FindScheduled(JobName.Parse("other")));
        Assert.Equal(mode == JobMode.All, _pending.FindScheduled(JobName.Parse("hello")) is not null);
    }

    [Fact]
    public void A_fire_that_etcd_is_asked_about_while_the_clock_is_stepped_back_an_hour_is_not_claimed_for_a_time_to_come()
    {
        _time.Step(TimeSpan.FromHours(1));
        var (fire, near) = (Add("hello"), Add("near"));
        Assert.Equal([fire, near], _pending.TakeDue(0));
        fire.IsAsked = true;
        Assert.False(_pending.TryForgetOfTheFuture(near, _time.GetUtcNow()));

        _time.Step(TimeSpan.FromHours(-1));
        Assert.Empty(_pending.TakeDue(0));

        Assert.True(_pending.TryForgetOfTheFuture(fire, _time.GetUtcNow()));
        Assert.Null(_pending.FindScheduled(fire.Name));
    }

    private Fire Add(string name)
    {
        var fire = new Fire(JobName.Parse(name), _time.GetUtcNow(), Some.Plan(Some.Job(name), 1), 0);
        _pending.Add(fire);
        return fire;
    }

    private Fire Planned(Job job, int seconds) =>
        new(JobName.Parse(job.Name), _time.GetUtcNow().AddSeconds(seconds), Some.Plan(job, 1), 0) { NobodyMatches = true };
}
