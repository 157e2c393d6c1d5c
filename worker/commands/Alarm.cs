using Dts.Common.Hosting;

namespace Dts.Worker.Commands;

/// <summary>Rings at a moment of the wall clock, and at once when somebody steps that clock.</summary>
/// <remarks>
/// Thread-safe. A thread of its own sleeps in the kernel (timerfd_create(2) with TFD_TIMER_CANCEL_ON_SET) and calls
/// <c>ring</c>; its argument says whether the clock was stepped, in which case the alarm stays set. An alarm set anew
/// forgets its former time. The thread is a real-time one where that is allowed (sched(7)), so <c>ring</c> is to be short; an
/// exception out of it ends the process.
/// </remarks>
internal sealed class Alarm : IDisposable
{
    // A timer that is not set would sleep through a step of the clock on some kernels: "never" is far away (the year 2255).
    private const long NeverMs = 9_000_000_000_000;

    private readonly Lock _lock = new();
    private readonly Action<bool> _ring;
    private readonly Thread _thread;
    private readonly int _timer;
    private readonly TestClock? _testClock;
    private long _dueMs = NeverMs;
    private bool _stepped;
    private bool _ended;

    /// <summary>Starts the thread; the alarm is not set yet, and rings for clock steps only.</summary>
    /// <exception cref="IOException">The kernel has no timer to give.</exception>
    public Alarm(Action<bool> ring, TimeProvider? time = null)
    {
        _ring = ring;
        _testClock = time as TestClock;
        _timer = Native.OpenClockTimer();
        if (_timer < 0)
        {
            throw new IOException($"no timer for the alarm: {Libc.Describe(-_timer)}");
        }

        if (_testClock is not null)
        {
            _testClock.Stepped += NoticeStep;
        }

        Set(null);
        _thread = new Thread(Run) { IsBackground = true, Name = "dts-alarm" };
        _thread.Start();
    }

    /// <summary>Whether the caller runs inside <c>ring</c>.</summary>
    public bool IsThisThread => Thread.CurrentThread == _thread;

    public void Set(DateTimeOffset time) => Set(time.ToUnixTimeMilliseconds());

    /// <summary>Sets the time to ring, in Unix milliseconds (past: at once), instead of the former one; null: not at all.</summary>
    public void Set(long? unixMs)
    {
        lock (_lock)
        {
            if (!_ended)
            {
                _dueMs = Math.Min(unixMs ?? NeverMs, NeverMs);
                Arm(_dueMs);
            }
        }
    }

    /// <summary>Ends the thread; the alarm has rung for the last time when this returns (unless called by <c>ring</c> itself).</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_ended)
            {
                return;
            }

            _ended = true;
            Arm(0);
        }

        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }
    }

    /// <summary>Does what a step of the clock does; the kernel tells of one on setting the timer, too.</summary>
    internal void NoticeStep()
    {
        lock (_lock)
        {
            _stepped = true;
            if (!_ended)
            {
                _ = Native.SetClockTimer(_timer, 1);
            }
        }
    }

    private void Arm(long unixMs)
    {
        // In nanoseconds, and never 0, which would mean "unset".
        if (Native.SetClockTimer(_timer, (Math.Max(unixMs - (_testClock?.OffsetMs ?? 0), 0) * 1_000_000) + 1) == -Native.ECANCELED)
        {
            NoticeStep();
        }
    }

    private void Run()
    {
        Native.WakeThisThreadExactly();
        _ = Native.TryRunFirst(); // or, where that is not allowed, when its turn comes
        while (true)
        {
            var woken = Native.AwaitClockTimer(_timer);
            bool stepped;
            lock (_lock)
            {
                if (_ended)
                {
                    break;
                }

                stepped = _stepped || woken == -Native.ECANCELED;
                _stepped = false;
                if (!stepped && (_testClock?.GetUtcNow() ?? DateTimeOffset.UtcNow).ToUnixTimeMilliseconds() < _dueMs)
                {
                    continue; // It was set anew between the waking and the lock.
                }

                _dueMs = stepped ? _dueMs : NeverMs;
                Arm(_dueMs);
            }

            _ring(stepped);
        }

        Native.Close(_timer);
    }
}
