namespace Dts.Master.Events;

/// <summary>An event as it is sent: its name and the bytes of its JSON, made once for all listeners.</summary>
internal sealed record FeedEvent(string Name, byte[] Data, EventSubject Subject);

/// <summary>The latest events, numbered from 1. A full ring drops the oldest.</summary>
/// <remarks>Not thread-safe; <see cref="EventFeed"/> guards it.</remarks>
internal sealed class EventRing(int countMax, long bytesMax)
{
    private readonly FeedEvent?[] _events = new FeedEvent?[countMax]; // Event n is at n modulo the length.
    private int _count;
    private long _bytes;

    /// <summary>The number of the latest event; 0 = none yet.</summary>
    public long Latest { get; private set; }

    private long Oldest => Latest - _count + 1;

    public void Add(FeedEvent added)
    {
        while (_count > 0 && (_count == countMax || _bytes + added.Data.Length > bytesMax))
        {
            RemoveOldest();
        }

        Latest++;
        _count++;
        _events[Latest % countMax] = added;
        _bytes += added.Data.Length;
    }

    /// <summary>Drops all events, so that no listener can resume across the gap that follows.</summary>
    public void Forget()
    {
        while (_count > 0)
        {
            RemoveOldest();
        }

        Latest++;
    }

    /// <summary>The events after a number; null = some were dropped, or the ring never gave the number.</summary>
    public IReadOnlyList<FeedEvent>? After(long number, int most)
    {
        if (number > Latest || number + 1 < Oldest)
        {
            return null;
        }

        var found = new FeedEvent[(int)Math.Min(most, Latest - number)];
        for (var i = 0; i < found.Length; i++)
        {
            found[i] = _events[(number + 1 + i) % countMax]!;
        }

        return found;
    }

    private void RemoveOldest()
    {
        _bytes -= _events[Oldest % countMax]!.Data.Length;
        _events[Oldest % countMax] = null;
        _count--;
    }
}
