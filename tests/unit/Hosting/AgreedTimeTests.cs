using Dts.Common.Hosting;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Hosting;

public sealed class AgreedTimeTests
{
    private readonly ManualTime _own = new();
    private readonly RecordedLog _log = new();

    [Fact]
    public void While_a_clock_is_off_the_time_is_that_of_the_workers()
    {
        using var clocks = new ClockCheck("", _own, _log);
        var agreed = new AgreedTime(_own, clocks);
        var begun = _own.GetUtcNow();
        clocks.Observe("w1", begun, isFresh: true);
        clocks.Observe("w2", begun, isFresh: true);
        var before = agreed.GetTimestamp();

        _own.Step(TimeSpan.FromHours(1));
        _own.Advance(TimeSpan.FromSeconds(3));

        Assert.Equal(begun.AddSeconds(3), agreed.GetUtcNow());
        Assert.Equal(TimeSpan.FromSeconds(3), agreed.GetElapsedTime(before));
        Assert.Equal(1, _log.CountOf("this host's clock is 3600.0 s off the other hosts'; this master goes by the workers' clocks"));

        _own.Step(TimeSpan.FromHours(-1));
        Assert.Equal(begun.AddSeconds(3), agreed.GetUtcNow());
        Assert.Equal(1, _log.CountOf("agrees with the other hosts' again"));
    }

    [Fact]
    public void A_master_goes_by_no_registration_that_may_only_be_old()
    {
        using var clocks = new ClockCheck("", _own, _log);
        var agreed = new AgreedTime(_own, clocks);
        foreach (var id in new[] { "w1", "w2" })
        {
            clocks.Observe(id, _own.GetUtcNow().AddHours(-1), isFresh: false); // As in a restored etcd.
        }

        Assert.Equal(_own.GetUtcNow(), agreed.GetUtcNow());

        _own.Step(TimeSpan.FromHours(-2));
        Assert.Equal(_own.GetUtcNow().AddHours(1), agreed.GetUtcNow()); // Now they are ahead, whatever their age.
    }

    [Fact]
    public void The_clock_of_a_worker_that_restarts_or_has_left_counts_for_five_minutes()
    {
        using var clocks = new ClockCheck("", _own, _log);
        var agreed = new AgreedTime(_own, clocks);
        var right = _own.GetUtcNow();
        clocks.Observe("w1", right, isFresh: true);
        clocks.Observe("w2", right, isFresh: true);
        _own.Step(TimeSpan.FromHours(3));

        clocks.Forget("w1");
        clocks.Forget("w2");
        Assert.Equal(right, agreed.GetUtcNow());

        _own.Advance(TimeSpan.FromMinutes(5));
        clocks.Forget("w2");
        Assert.Equal(_own.GetUtcNow(), agreed.GetUtcNow());
    }

    [Fact]
    public void A_worker_that_comes_back_with_a_right_clock_is_believed_at_once()
    {
        using var clocks = new ClockCheck("", _own, _log);
        var agreed = new AgreedTime(_own, clocks);
        foreach (var id in new[] { "w1", "w2" })
        {
            clocks.Observe(id, _own.GetUtcNow().AddHours(1), isFresh: true);
            clocks.Forget(id);
            clocks.Observe(id, _own.GetUtcNow(), isFresh: true);
        }

        Assert.Equal(_own.GetUtcNow(), agreed.GetUtcNow());
    }

    [Fact]
    public void With_one_worker_a_master_goes_by_its_own_clock()
    {
        using var clocks = new ClockCheck("", _own, _log);
        clocks.Observe("w1", _own.GetUtcNow().AddHours(1), isFresh: true);

        Assert.Equal(_own.GetUtcNow(), new AgreedTime(_own, clocks).GetUtcNow());
        Assert.Equal(1, _log.CountOf("clocks differ"));
    }
}
