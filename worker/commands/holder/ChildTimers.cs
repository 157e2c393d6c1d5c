namespace Dts.Worker.Commands.Holders;

/// <summary>When the child loop looks at each child next: its time limit, or the next step of its kill.</summary>
/// <remarks>
/// Not thread-safe. The child loop is its only caller. It runs on monotonic milliseconds, so a step of the wall clock changes no limit.
/// </remarks>
internal sealed class ChildTimers
{
    private const int BlindLookIntervalMs = 100;

    private readonly TimerWheel<Child> _wheel = new(Environment.TickCount64);
    private readonly List<Child> _due = [];

    public long NextDue => _wheel.NextDue ?? long.MaxValue;

    /// <summary>Sets a child's timer in place of its former one. A child without a pidfd is looked at every 100 ms.</summary>
    /// <param name="atMs">The greatest value = never.</param>
    public void Set(Child child, long atMs, long now)
    {
        Cancel(child);
        atMs = child.PidFd < 0 ? Math.Min(atMs, now + BlindLookIntervalMs) : atMs;
        child.Timer = atMs == long.MaxValue ? null : _wheel.Add(atMs, child);
    }

    public void Cancel(Child child)
    {
        if (child.Timer is { } timer)
        {
            _ = _wheel.Cancel(timer);
        }
    }

    /// <summary>Calls an action for each child that is due.</summary>
    public void Advance(long now, Action<Child> look)
    {
        _wheel.Advance(now, _due);
        foreach (var child in _due)
        {
            child.Timer = null;
            look(child);
        }

        _due.Clear();
    }
}
