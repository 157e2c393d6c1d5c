using Dts.Common.Hosting;
using Dts.Worker.Native;

namespace Dts.Worker.Commands;

/// <summary>Rings at a time of the wall clock, and at once when that clock is stepped.</summary>
/// <remarks>
/// Thread-safe. Its own thread sleeps in the kernel (timerfd_create(2) with TFD_TIMER_CANCEL_ON_SET) and calls <c>ring</c>, whose argument
/// says whether the clock was stepped; then the alarm stays set. The thread has real-time priority if allowed (sched(7)), so <c>ring</c>
/// must be short. An exception from it ends the process.
/// </remarks>
internal sealed class Alarm : IDisposable
{
    // On some kernels an unset timer would sleep through a step of the clock, so "never" is the year 2255.
    private const long NeverMs = 9_000_000_000_000;

    private readonly Lock _lock = new();
    private readonly Action<bool> _ring;
    private readonly Thread _thread;
    private readonly int _timer;
    private readonly TestClock? _testClock;
    private long _dueMs = NeverMs;
    private bool _stepped;
    private bool _ended;

    /// <summary>Starts the thread. Until the alarm is set, it rings for clock steps only.</summary>
    /// <exception cref="IOException">The kernel has no timer left.</exception>
    public Alarm(Action<bool> ring, TimeProvider? time = null)
    {
        _ring = ring;
        _testClock = time as TestClock;
        _timer = ClockTimer.Open();
        if (_timer < 0)
        {
            throw new IOException($"no timer for the alarm: {Libc.Describe(-_timer)}");
        }

        if (_testClock is not null)
        {
            _testClock.Stepped += NoticeStep;
        }

        Arm(_dueMs);
        _thread = new Thread(Run) { IsBackground = true, Name = "dts-alarm" };
        _thread.Start();
    }

    /// <summary>Whether the caller runs inside <c>ring</c>.</summary>
    public bool IsThisThread => Thread.CurrentThread == _thread;

    /// <summary>Replaces the time to ring, in Unix milliseconds (past: at once); null: never.</summary>
    public void Set(long? unixMs)
    {
        lock (_lock)
        {
            var dueMs = Math.Min(unixMs ?? NeverMs, NeverMs);
            if (!_ended && dueMs != _dueMs) // The fire loop sets it after every event, nearly always to the same time.
            {
                Arm(_dueMs = dueMs);
            }
        }
    }

    /// <summary>Ends the thread. After this the alarm does not ring (unless <c>ring</c> itself called it).</summary>
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

    /// <summary>Rings for a step of the clock. The kernel also reports one when the timer is set.</summary>
    internal void NoticeStep()
    {
        lock (_lock)
        {
            _stepped = true;
            if (!_ended)
            {
                _ = ClockTimer.Set(_timer, 1);
            }
        }
    }

    private void Arm(long unixMs)
    {
        // In nanoseconds, and never 0, which would mean "unset".
        if (ClockTimer.Set(_timer, (Math.Max(unixMs - (_testClock?.OffsetMs ?? 0), 0) * 1_000_000) + 1) == -Errno.ECANCELED)
        {
            NoticeStep();
        }
    }

    private void Run()
    {
        ClockTimer.WakeThisThreadExactly();
        _ = RealTime.TryEnter(); // If it is not allowed, the alarm rings when the thread's turn comes.
        while (true)
        {
            var woken = ClockTimer.Await(_timer);
            bool stepped;
            lock (_lock)
            {
                if (_ended)
                {
                    break;
                }

                stepped = _stepped || woken == -Errno.ECANCELED;
                _stepped = false;
                if (!stepped && (_testClock?.GetUtcNow() ?? DateTimeOffset.UtcNow).ToUnixTimeMilliseconds() < _dueMs)
                {
                    continue; // It was set to another time between the waking and the lock.
                }

                _dueMs = stepped ? _dueMs : NeverMs;
                Arm(_dueMs);
            }

            _ring(stepped);
        }

        FileDescriptors.Close(_timer);
    }
}
