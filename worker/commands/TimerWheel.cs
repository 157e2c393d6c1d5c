using System.Numerics;

namespace Dts.Worker.Commands;

/// <summary>A set of timers. Adding and cancelling cost O(1), whatever their number. Time is a number passed in.</summary>
/// <remarks>
/// <para>Not thread-safe. The owner's loop is its only caller. Times are milliseconds of any one clock.</para>
/// <para>Scheme: eleven levels of 64 slots, so that no time is too far away. Level L holds the timers whose due time first differs from the
/// wheel's time in the L-th group of six bits. So a level's slots never wrap, and the lowest occupied slot of the lowest occupied level is
/// the next one. When time reaches a slot above level 0, its timers move down; one at level 0 is due. The cost of a jump in time depends on
/// the timers in it, not on its length.</para>
/// </remarks>
internal sealed class TimerWheel<T>
{
    private const int SlotBits = 6;
    private const int SlotsPerLevel = 1 << SlotBits;
    private const int Levels = 11;
    private const int Overdue = Levels * SlotsPerLevel; // One more list: timers that were due when they were added.
    private const int Nowhere = -1;

    // A slot is a circular list in the order of adding; the head's previous entry is the tail.
    private readonly Entry?[] _heads = new Entry?[(Levels * SlotsPerLevel) + 1];
    private readonly ulong[] _occupied = new ulong[Levels];
    private long _now;

    public TimerWheel(long nowMs)
    {
        _now = Math.Max(nowMs, 0);
    }

    /// <summary>How many timers wait.</summary>
    public int Count { get; private set; }

    /// <summary>
    /// The time to sleep to: the due time of the earliest timer, or an earlier time at which distant timers move to a lower level (at most
    /// ten such times for a timer). After an <see cref="Advance"/> to it, it is always later than before. Null = there are no timers.
    /// </summary>
    public long? NextDue => _heads[Overdue] is not null ? _now : FirstOccupied() is >= 0 and var slot ? StartOf(slot) : null;

    /// <summary>Adds a timer. One that is due already fires at the next <see cref="Advance"/>.</summary>
    public Entry Add(long dueMs, T value)
    {
        var entry = new Entry(dueMs, value);
        Link(entry);
        Count++;
        return entry;
    }

    /// <summary>Removes a timer of this wheel; false = it has fired or was cancelled before.</summary>
    public bool Cancel(Entry entry)
    {
        if (entry.Slot == Nowhere)
        {
            return false;
        }

        Unlink(entry);
        Count--;
        return true;
    }

    /// <summary>
    /// Advances the time and appends the values of the timers that are due, in the order of their due times; timers of one millisecond in
    /// the order of adding. Time may go back, at a cost of O(n): the timers then wait for their times again.
    /// </summary>
    public void Advance(long nowMs, List<T> due)
    {
        nowMs = Math.Max(nowMs, 0);
        if (nowMs < _now)
        {
            StepBack(nowMs);
        }

        FireOverdue(due);
        while (FirstOccupied() is >= 0 and var slot && StartOf(slot) is var start && start <= nowMs)
        {
            _now = start;
            while (_heads[slot] is { } entry)
            {
                Unlink(entry);
                if (slot < SlotsPerLevel)
                {
                    Fire(entry, due);
                }
                else
                {
                    Link(entry); // Its time and the wheel's now share these six bits: it lands on a lower level.
                }
            }
        }

        _now = nowMs;
    }

    private void Fire(Entry entry, List<T> due)
    {
        Count--;
        due.Add(entry.Value);
    }

    private void FireOverdue(List<T> due)
    {
        if (_heads[Overdue] is null)
        {
            return;
        }

        var overdue = new List<Entry>();
        MoveTo(overdue, Overdue);
        foreach (var entry in overdue.OrderBy(entry => entry.DueMs)) // a stable sort, unlike List.Sort
        {
            Fire(entry, due);
        }
    }

    private void StepBack(long nowMs)
    {
        var waiting = new List<Entry>(Count);
        for (var slot = 0; slot <= Overdue; slot++)
        {
            MoveTo(waiting, slot);
        }

        _now = nowMs;
        waiting.ForEach(Link);
    }

    private void MoveTo(List<Entry> list, int slot)
    {
        while (_heads[slot] is { } entry)
        {
            Unlink(entry);
            list.Add(entry);
        }
    }

    private int FirstOccupied()
    {
        for (var level = 0; level < Levels; level++)
        {
            if (_occupied[level] != 0)
            {
                return (level << SlotBits) + BitOperations.TrailingZeroCount(_occupied[level]);
            }
        }

        return Nowhere;
    }

    private long StartOf(int slot)
    {
        var (level, digit) = (slot >> SlotBits, slot & (SlotsPerLevel - 1));
        var shift = level * SlotBits;
        var above = level == Levels - 1 ? 0 : _now >> (shift + SlotBits) << (shift + SlotBits);
        return above | ((long)digit << shift);
    }

    private int SlotOf(long dueMs)
    {
        if (dueMs < _now)
        {
            return Overdue;
        }

        var level = BitOperations.Log2((ulong)(dueMs ^ _now) | 1) / SlotBits;
        return (level << SlotBits) + (int)((dueMs >> (level * SlotBits)) & (SlotsPerLevel - 1));
    }

    private void Link(Entry entry)
    {
        var slot = SlotOf(entry.DueMs);
        entry.Slot = slot;
        if (_heads[slot] is { } head)
        {
            (entry.Previous, entry.Next) = (head.Previous, head);
            head.Previous.Next = entry;
            head.Previous = entry;
            return;
        }

        (entry.Previous, entry.Next) = (entry, entry);
        _heads[slot] = entry;
        MarkOccupied(slot, true);
    }

    private void Unlink(Entry entry)
    {
        var slot = entry.Slot;
        if (entry.Next == entry)
        {
            _heads[slot] = null;
            MarkOccupied(slot, false);
        }
        else
        {
            (entry.Previous.Next, entry.Next.Previous) = (entry.Next, entry.Previous);
            _heads[slot] = _heads[slot] == entry ? entry.Next : _heads[slot];
        }

        entry.Detach();
    }

    private void MarkOccupied(int slot, bool occupied)
    {
        if (slot != Overdue)
        {
            var bit = 1UL << (slot & (SlotsPerLevel - 1));
            _occupied[slot >> SlotBits] = occupied ? _occupied[slot >> SlotBits] | bit : _occupied[slot >> SlotBits] & ~bit;
        }
    }

    /// <summary>A timer that was added. It serves to cancel it.</summary>
    public sealed class Entry
    {
        internal Entry(long dueMs, T value)
        {
            (DueMs, Value) = (dueMs, value);
            (Previous, Next, Slot) = (this, this, Nowhere);
        }

        public long DueMs { get; }

        public T Value { get; }

        internal Entry Previous { get; set; }

        internal Entry Next { get; set; }

        internal int Slot { get; set; }

        internal void Detach() => (Previous, Next, Slot) = (this, this, Nowhere);
    }
}
