using Dts.Master.Events;
using Xunit;

namespace Dts.Tests.Unit.Master.Events;

public sealed class EventRingTests
{
    private readonly EventRing _ring = new(countMax: 3, bytesMax: 100);

    [Fact]
    public void Events_after_a_number_are_read_in_order()
    {
        Add("a", "b", "c");

        Assert.Equal("a b c", Names(_ring.After(0, 10)));
        Assert.Equal("b c", Names(_ring.After(1, 10)));
        Assert.Equal("b", Names(_ring.After(1, 1)));
        Assert.Equal("", Names(_ring.After(3, 10)));
    }

    [Fact]
    public void A_number_that_is_too_old_or_was_never_given_is_refused()
    {
        Add("a", "b", "c", "d", "e");

        Assert.Null(_ring.After(1, 10));
        Assert.Equal("c d e", Names(_ring.After(2, 10)));
        Assert.Null(_ring.After(6, 10));
    }

    [Fact]
    public void Large_events_push_out_old_ones_but_the_latest_stays()
    {
        Add("a", "b");
        _ring.Add(new FeedEvent("large", new byte[99], EventSubject.Everyone));

        Assert.Null(_ring.After(1, 10));
        Assert.Equal("large", Names(_ring.After(2, 10)));

        _ring.Add(new FeedEvent("larger", new byte[1000], EventSubject.Everyone));

        Assert.Equal("larger", Names(_ring.After(3, 10)));
    }

    [Fact]
    public void After_a_pause_no_earlier_number_can_be_resumed()
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
