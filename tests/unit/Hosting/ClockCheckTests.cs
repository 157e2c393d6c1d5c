using Dts.Common.Hosting;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Hosting;

public sealed class ClockCheckTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly RecordedLog _log = new();
    private readonly ClockCheck _clocks;

    public ClockCheckTests() => _clocks = new ClockCheck("w1", _time, _log);

    [Theory]
    // How far the others' clocks are ahead of ours, in seconds -> may we claim?
    [InlineData("",            true)]
    [InlineData("0 0 0 0",     true)]
    [InlineData("1.5 1.5",     true)]
    [InlineData("5 5",         false)]
    [InlineData("-5 -5",       false)]
    [InlineData("3600 0 0 0",  true)]
    [InlineData("9 9 0",       true)]
    [InlineData("9 9 9 0",     false)]
    [InlineData("9",           true)]
    [InlineData("-9",          true)]
    public void A_worker_stops_when_its_clock_is_off_the_most_others(string ahead, bool mayClaim)
    {
        Hear(ahead.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(double.Parse), late: 0);

        Assert.Equal(mayClaim, _clocks.MayClaim);
        Assert.Equal(mayClaim, _clocks.Refusal.Length == 0);
    }

    [Fact]
    public void What_came_late_does_not_count_beside_what_came_quickly()
    {
        Hear([0, 0, 0], late: 0);
        Hear([0, 0, 0], late: 8);

        Assert.True(_clocks.MayClaim);
    }

    [Fact]
    public void A_worker_that_stalls_at_its_start_still_sees_that_its_clock_is_an_hour_off()
    {
        _clocks.Dispose(); // Its pulse stops, as in a stall.
        _time.Advance(TimeSpan.FromSeconds(5));
        Hear([0, 0, 0], late: 0);

        _time.Step(TimeSpan.FromHours(1));

        Assert.False(_clocks.MayClaim);
    }

    [Fact]
    public void What_waited_while_a_worker_stalled_does_not_make_its_clock_look_off()
    {
        _clocks.Dispose(); // Its pulse stops, as in a stall.
        _time.Advance(TimeSpan.FromSeconds(5));

        Hear([0, 0, 0], late: 5);

        Assert.True(_clocks.MayClaim);
    }

    [Fact]
    public void A_step_of_our_own_clock_shows_at_once_and_so_does_its_correction()
    {
        Hear([0, 0, 0], late: 0);

        _time.Step(TimeSpan.FromHours(1));
        Assert.False(_clocks.MayClaim);

        _time.Step(TimeSpan.FromHours(-1));
        Assert.True(_clocks.MayClaim);
        Assert.Equal((1, 1), (_log.CountOf("off the other hosts'"), _log.CountOf("agrees with the other hosts'")));
    }

    [Fact]
    public void Times_for_other_workers_are_without_the_error_of_this_clock()
    {
        Hear([0, 0, 0], late: 0);
        var now = _time.GetUtcNow();

        _time.Step(TimeSpan.FromHours(1));
        Assert.Equal(now, _clocks.Now);

        _time.Step(TimeSpan.FromHours(-1));
        Assert.Equal(now, _clocks.Now);
    }

    [Fact]
    public void Of_two_workers_none_can_tell_who_is_wrong_and_it_is_said()
    {
        Hear([60], late: 0);

        Assert.True(_clocks.MayClaim);
        Assert.Equal(1, _log.CountOf("clocks differ"));
    }

    [Fact]
    public void A_worker_that_is_gone_does_not_count()
    {
        Hear([9, 9], late: 0);
        _clocks.Forget("other-0");
        _clocks.Forget("other-1");

        Assert.True(_clocks.MayClaim);
    }

    [Theory]
    // An old registration is only known to be not much older than a minute.
    [InlineData(-30, true)]
    [InlineData(30, true)]
    [InlineData(-3600, false)]
    [InlineData(3600, false)]
    public void An_old_registration_says_something_only_when_it_is_far_off(int seconds, bool mayClaim)
    {
        foreach (var other in new[] { "w2", "w3" })
        {
            _clocks.Observe(other, _time.GetUtcNow().AddSeconds(seconds), isFresh: false);
        }

        Assert.Equal(mayClaim, _clocks.MayClaim);
    }

    [Fact]
    public void A_worker_that_has_just_started_notices_a_step_of_its_clock_by_what_it_found()
    {
        foreach (var other in new[] { "w2", "w3" })
        {
            _clocks.Observe(other, _time.GetUtcNow().AddSeconds(-8), isFresh: false);
        }

        _time.Step(TimeSpan.FromHours(1));

        Assert.False(_clocks.MayClaim);
    }

    public void Dispose() => _clocks.Dispose();

    private void Hear(IEnumerable<double> ahead, double late)
    {
        foreach (var (seconds, n) in ahead.Select((seconds, n) => (seconds, n)))
        {
            _clocks.Observe($"other-{n}", _time.GetUtcNow().AddSeconds(seconds - late), isFresh: true);
        }
    }
}
