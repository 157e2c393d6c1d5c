using Dts.Worker.Commands;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

public sealed class TimerWheelTests
{
    private const long Now = 1_767_571_200_000; // 2026-01-05T00:00:00Z
    private const long Hour = 3_600_000;
    private const long Year = 366 * 24 * Hour;

    [Theory]
    // the edges of the levels, as distances
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(4_095)]
    [InlineData(4_096)]
    [InlineData(262_144)]
    [InlineData(16_777_216)]
    // an hour, a year, 70 years, and as far as a DateTimeOffset goes
    [InlineData(Hour)]
    [InlineData(Year)]
    [InlineData(70 * Year)]
    [InlineData(253_402_300_799_999 - Now)]
    [InlineData(long.MaxValue - Now)]
    public void A_timer_fires_at_its_millisecond_and_not_before(long distance)
    {
        var wheel = new TimerWheel<string>(Now);
        _ = wheel.Add(Now + distance, "it");

        Assert.Empty(Fired(wheel, Now + distance - 1));
        Assert.Equal(Now + distance, wheel.NextDue);
        Assert.Equal(["it"], Fired(wheel, Now + distance));
        Assert.Null(wheel.NextDue);
    }

    [Fact]
    public void A_timer_that_is_due_already_fires_at_the_next_advance()
    {
        var wheel = new TimerWheel<string>(Now);
        _ = wheel.Add(Now, "now");
        _ = wheel.Add(Now - Hour, "an hour late");
        _ = wheel.Add(-5, "before the epoch");

        Assert.Equal(Now, wheel.NextDue);
        Assert.Equal(["before the epoch", "an hour late", "now"], Fired(wheel, Now));
        Assert.Equal(0, wheel.Count);
    }

    [Fact]
    public void Timers_fire_in_the_order_of_time_and_then_of_adding()
    {
        var wheel = new TimerWheel<string>(Now);
        _ = wheel.Add(Now + Hour, "third, added far ahead");
        _ = wheel.Add(Now + 2, "second");
        _ = wheel.Add(Now + 1, "first");
        Assert.Empty(Fired(wheel, Now));
        _ = wheel.Add(Now + Hour, "fourth");

        Assert.Equal(["first", "second", "third, added far ahead", "fourth"], Fired(wheel, Now + Year));
    }

    [Fact]
    public void A_cancelled_timer_does_not_fire_and_is_cancelled_once()
    {
        var wheel = new TimerWheel<string>(Now);
        var entry = wheel.Add(Now + 10, "cancelled");
        var late = wheel.Add(Now - 10, "late");
        var fired = wheel.Add(Now + 10, "fired");

        Assert.True(wheel.Cancel(entry));
        Assert.False(wheel.Cancel(entry));
        Assert.True(wheel.Cancel(late));
        Assert.Equal(["fired"], Fired(wheel, Now + 10));
        Assert.False(wheel.Cancel(fired));
        Assert.Equal(0, wheel.Count);
        Assert.Null(wheel.NextDue);
    }

    [Fact]
    public void A_step_back_loses_no_timer_and_fires_none_early()
    {
        var wheel = new TimerWheel<string>(Now);
        _ = wheel.Add(Now + 1, "before the step");
        _ = wheel.Add(Now + Hour + 5, "after it");
        _ = wheel.Add(Now - 1, "late, until the step");

        Assert.Empty(Fired(wheel, Now - Hour));
        _ = wheel.Add(Now - Hour + 1, "added after the step");

        Assert.Equal(Now - Hour + 1, wheel.NextDue);
        Assert.Equal(["added after the step"], Fired(wheel, Now - 2));
        Assert.Equal(["late, until the step"], Fired(wheel, Now - 1));
        Assert.Equal(["before the step", "after it"], Fired(wheel, Now + Year));
    }

    [Fact]
    public void Sleeping_to_the_next_due_time_wakes_few_times_and_never_too_late()
    {
        var wheel = new TimerWheel<string>(Now);
        _ = wheel.Add(Now + Year, "it");

        var wakes = 0;
        for (var last = Now; wheel.NextDue is { } next; last = next)
        {
            wakes++;
            Assert.InRange(next, last + 1, Now + Year);
            Assert.Equal(next == Now + Year ? 1 : 0, Fired(wheel, next).Count);
        }

        Assert.InRange(wakes, 1, 11);
    }

    [Fact]
    public void A_million_timers_fire_in_order_over_a_jump_of_a_year()
    {
        var wheel = new TimerWheel<long>(Now);
        var random = new Random(7);
        for (var i = 0; i < 1_000_000; i++)
        {
            var due = Now + random.NextInt64(Year);
            _ = wheel.Add(due, due);
        }

        var fired = Fired(wheel, Now + Year);

        Assert.Equal(1_000_000, fired.Count);
        Assert.True(fired.SequenceEqual(fired.Order()));
    }

    [Fact]
    public void A_wheel_behaves_like_a_sorted_list()
    {
        for (var round = 0; round < 200; round++)
        {
            var seed = Random.Shared.Next();
            try
            {
                CompareWithSortedList(new Random(seed));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}", e);
            }
        }
    }

    private static void CompareWithSortedList(Random random)
    {
        var now = Now;
        var wheel = new TimerWheel<int>(now);
        var oracle = new SortedDictionary<(long Due, int Id), TimerWheel<int>.Entry>();
        for (var id = 0; id < 500; id++)
        {
            switch (random.Next(10))
            {
                case < 6:
                    var due = now + Distance(random) - random.Next(3);
                    oracle.Add((due, id), wheel.Add(due, id));
                    break;
                case < 8 when oracle.Count > 0:
                    var (key, entry) = oracle.ElementAt(random.Next(oracle.Count));
                    Assert.True(wheel.Cancel(entry));
                    _ = oracle.Remove(key);
                    break;
                case 8 when wheel.NextDue is { } next:
                    now = Math.Max(next, now);
                    AdvanceBoth();
                    break;
                default:
                    now += random.Next(8) == 0 ? -Distance(random) : Distance(random);
                    AdvanceBoth();
                    break;
            }

            Assert.Equal(oracle.Count, wheel.Count);
            Assert.Equal(oracle.Count == 0, wheel.NextDue is null);
            Assert.True(oracle.Count == 0 || wheel.NextDue <= Math.Max(oracle.Keys.First().Due, now));
        }

        void AdvanceBoth()
        {
            now = Math.Max(now, 0);
            var expected = oracle.Keys.TakeWhile(key => key.Due <= now).ToList();
            expected.ForEach(key => oracle.Remove(key));

            Assert.Equal(expected.Select(key => key.Id), Fired(wheel, now));
            Assert.True(wheel.NextDue is not { } next || next > now, "it would fire again at once: a hot loop");
        }
    }

    // Of every magnitude alike, from a millisecond to centuries.
    private static long Distance(Random random) => random.NextInt64(1L << random.Next(44));

    private static List<T> Fired<T>(TimerWheel<T> wheel, long now)
    {
        var fired = new List<T>();
        wheel.Advance(now, fired);
        return fired;
    }
}
