using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Unit.Worker.Runs;

public sealed class SlotsTests
{
    [Fact]
    public void There_are_as_many_as_there_are()
    {
        var slots = new Slots(2);

        Assert.True(slots.TryTake());
        Assert.True(slots.TryTake());
        Assert.False(slots.TryTake());
        slots.Release();
        Assert.True(slots.TryTake());
    }

    [Fact]
    public void A_slot_that_is_given_back_is_told()
    {
        var slots = new Slots(1);
        var told = 0;
        slots.Freed += () => told++;

        Assert.True(slots.TryTake());
        Assert.False(slots.TryTake());
        Assert.Equal(0, told);
        slots.Release();
        Assert.Equal(1, told);
    }

    [Fact]
    public void Many_threads_never_take_more_than_there_are()
    {
        var slots = new Slots(3);
        var (now, most) = (0, 0);
        Parallel.For(0, 20_000, _ =>
        {
            if (slots.TryTake())
            {
                InterlockedMax(ref most, Interlocked.Increment(ref now));
                Interlocked.Decrement(ref now);
                slots.Release();
            }
        });

        Assert.InRange(most, 1, 3);
        Assert.Equal([true, true, true, false], Enumerable.Range(0, 4).Select(_ => slots.TryTake()));
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = Volatile.Read(ref most); value > seen; seen = Volatile.Read(ref most))
        {
            Interlocked.CompareExchange(ref most, value, seen);
        }
    }
}
