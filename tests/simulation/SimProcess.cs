namespace Dts.Tests.Simulation;

/// <summary>A process of a simulated host: it may be stalled, and then does later, at once, all that it missed; or it dies.</summary>
internal abstract class SimProcess(SimWorld world)
{
    private readonly Queue<Action> _missed = new();
    private long _stalledUntil;

    protected SimWorld World => world;

    public bool IsDead { get; private set; }

    public bool IsStalled => _stalledUntil > world.Now;

    public void Do(Action action)
    {
        if (IsDead)
        {
            return;
        }

        if (IsStalled || _missed.Count > 0)
        {
            _missed.Enqueue(action);
        }
        else
        {
            Perform(action);
        }
    }

    /// <summary>Does something after a time, unless it is dead by then.</summary>
    public void In(long time, Action action) => world.Do(world.Now + time, this, action);

    public void Stall(long time)
    {
        _stalledUntil = Math.Max(_stalledUntil, world.Now + time);
        world.Do(_stalledUntil, Resume);
    }

    public virtual void Die()
    {
        IsDead = true;
        _missed.Clear();
    }

    /// <summary>Whether a broken invariant ends the process. Otherwise it ends the simulation.</summary>
    protected virtual bool EndsBy(InvalidOperationException bug) => false;

    private void Resume()
    {
        while (!IsDead && !IsStalled && _missed.TryDequeue(out var missed))
        {
            Perform(missed);
        }
    }

    private void Perform(Action action)
    {
        try
        {
            action();
        }
        catch (InvalidOperationException bug) when (EndsBy(bug))
        {
            // The process has ended.
        }
    }
}

/// <summary>The clocks of a host: a wall clock that may be off, drift and be stepped, and a monotonic one.</summary>
internal sealed class SimClock(SimWorld world) : TimeProvider
{
    private long _setAt;
    private long _setTo;
    private double _drift;

    public override long TimestampFrequency => SimWorld.Second;

    /// <summary>The latest timer that was made.</summary>
    public Bell? Timer { get; private set; }

    /// <summary>How far it is off, in microseconds.</summary>
    public long Offset => Wall - world.Now;

    private long Wall => _setTo + (long)((world.Now - _setAt) * (1 + _drift));

    public override DateTimeOffset GetUtcNow() => SimWorld.At(Wall);

    public override long GetTimestamp() => world.Now;

    /// <summary>The timer of <c>ClockCheck</c>, which the worker rings itself.</summary>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        Timer = new Bell(callback, state);

    /// <summary>Steps the wall clock. No clock is quite right, nor goes quite right.</summary>
    public void Set(long offset)
    {
        (_setAt, _setTo) = (world.Now, world.Now + offset + world.Between(-50 * SimWorld.Ms, 50 * SimWorld.Ms));
        _drift = (world.Random.NextDouble() - 0.5) * 2e-4;
    }

    /// <summary>When the wall clock will show a time, unless it is stepped before.</summary>
    public long WhenItShows(long unixMs)
    {
        var wall = (unixMs - SimWorld.Epoch.ToUnixTimeMilliseconds()) * SimWorld.Ms;
        var at = _setAt + (long)Math.Ceiling((wall - _setTo) / (1 + _drift));
        return at + (SimWorld.At(_setTo + (long)((at - _setAt) * (1 + _drift))).ToUnixTimeMilliseconds() < unixMs ? 1 : 0);
    }

    internal sealed class Bell(TimerCallback callback, object? state) : ITimer
    {
        public void Ring() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
