using Dts.Master.Events;
using Xunit;

namespace Dts.Tests.Unit.Master.Events;

public sealed class EventRingTests
{
    private readonly EventRing _ring = new(countMax: 3, bytesMax: 100);

    [Fact]
    public void It_gives_what_is_behind_a_number_in_order()
    {
        Add("a", "b", "c");

        Assert.Equal("a b c", Names(_ring.After(0, 10)));
        Assert.Equal("b c", Names(_ring.After(1, 10)));
        Assert.Equal("b", Names(_ring.After(1, 1)));
        Assert.Equal("", Names(_ring.After(3, 10)));
    }

    [Fact]
    public void A_number_that_the_ring_has_overtaken_and_one_that_it_never_had_are_refused()
    {
        Add("a", "b", "c", "d", "e");

        Assert.Null(_ring.After(1, 10));
        Assert.Equal("c d e", Names(_ring.After(2, 10)));
        Assert.Null(_ring.After(6, 10));
    }

    [Fact]
    public void Old_events_give_way_to_large_ones_but_the_latest_stays()
    {
        Add("a", "b");
        _ring.Add(new FeedEvent("large", new byte[99], EventSubject.Everyone));

        Assert.Null(_ring.After(1, 10));
        Assert.Equal("large", Names(_ring.After(2, 10)));

        _ring.Add(new FeedEvent("larger", new byte[1000], EventSubject.Everyone));

        Assert.Equal("larger", Names(_ring.After(3, 10)));
    }

    [Fact]
    public void Nobody_goes_on_from_before_a_pause()
    {
        Add("a", "b");
        _ring.Forget();
        Add("c");

        Assert.Null(_ring.After(2, 10));
        Assert.Equal("c", Names(_ring.After(3, 10)));
    }

    private static string Names(IReadOnlyList<FeedEvent>? events) => string.Join(' ', events!.Select(told => told.Name));

    private void Add(params string[] names)
    {
        foreach (var name in names)
        {
            _ring.Add(new FeedEvent(name, new byte[10], EventSubject.Everyone));
        }
    }
}
