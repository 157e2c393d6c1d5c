using System.Diagnostics;
using Dts.Worker.Commands;

namespace Dts.Bench;

/// <summary>One set of timers in the worker's wheel, in a PriorityQueue and in System.Threading.Timer.</summary>
internal sealed class WheelRounds
{
    private const int SpanMs = 3_600_000;
    private const int SlowCancels = 100; // A PriorityQueue looks through itself for each.

    private static readonly object Value = new();
    private static readonly TimeSpan TimersWait = TimeSpan.FromSeconds(2);

    private readonly long[] _due; // Spread over an hour, in no order.

    public WheelRounds(int timers)
    {
        var random = new Random(1);
        _due = [.. Enumerable.Range(0, timers).Select(_ => random.NextInt64(1, SpanMs))];
    }

    /// <summary>Nanoseconds for one timer.</summary>
    public readonly record struct Cost(double Insert, double Cancel, double Expire);

    public Cost MeasureWheel()
    {
        var wheel = new TimerWheel<object>(0);
        var entries = new TimerWheel<object>.Entry[_due.Length];
        var insert = Time(_due.Length, () => AddAll(wheel, entries));
        var cancel = Time(_due.Length, () => Array.ForEach(entries, entry => wheel.Cancel(entry)));
        AddAll(wheel, entries);
        var due = new List<object>(_due.Length);
        var expire = Time(_due.Length, () => AdvanceAll(wheel, due));
        return new Cost(insert, cancel, expire);
    }

    /// <summary>Bytes that a tick of the wheel allocates, with the timers that are due in it.</summary>
    public double MeasureAllocation()
    {
        var wheel = new TimerWheel<object>(0);
        AddAll(wheel, new TimerWheel<object>.Entry[_due.Length]);
        var (due, ticks) = (new List<object>(_due.Length), 0);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var now = 0L; now <= SpanMs; now += 10, ticks++)
        {
            due.Clear();
            wheel.Advance(now, due);
        }

        return (double)(GC.GetAllocatedBytesForCurrentThread() - before) / ticks;
    }

    public Cost MeasureQueue()
    {
        var queue = new PriorityQueue<object, long>();
        var insert = Time(_due.Length, () => EnqueueAll(queue));
        object[] gone = [.. Enumerable.Range(0, SlowCancels).Select(_ => new object())];
        for (var n = 0; n < gone.Length; n++)
        {
            queue.Enqueue(gone[n], _due[n * (_due.Length / gone.Length)]);
        }

        var cancel = Time(gone.Length, () => Array.ForEach(gone, value => queue.Remove(value, out _, out _)));
        var expire = Time(_due.Length, () =>
        {
            while (queue.TryDequeue(out _, out _))
            {
            }
        });
        return new Cost(insert, cancel, expire);
    }

    /// <summary>Expiry is processor time of all threads: these timers call back on the pool's.</summary>
    public async Task<Cost> MeasureTimersAsync()
    {
        var timers = new Timer[_due.Length];
        var insert = Time(_due.Length, () =>
        {
            for (var n = 0; n < timers.Length; n++)
            {
                timers[n] = new Timer(static _ => { }, null, SpanMs + _due[n], Timeout.Infinite);
            }
        });
        var cancel = Time(_due.Length, () => Array.ForEach(timers, timer => timer.Dispose()));
        using var all = new CountdownEvent(_due.Length);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var begun = Stopwatch.GetTimestamp();
        for (var n = 0; n < timers.Length; n++)
        {
            var wait = TimersWait - Stopwatch.GetElapsedTime(begun);
            timers[n] = new Timer(
                _ =>
                {
                    if (all.Signal())
                    {
                        ended.SetResult();
                    }
                },
                null, (long)Math.Max(1, wait.TotalMilliseconds) + (_due[n] % 1000), Timeout.Infinite);
        }

        var cpu = Environment.CpuUsage.TotalTime;
        await ended.Task;
        var expire = (Environment.CpuUsage.TotalTime - cpu).TotalNanoseconds / _due.Length;
        Array.ForEach(timers, timer => timer.Dispose());
        return new Cost(insert, cancel, expire);
    }

    private void AddAll(TimerWheel<object> wheel, TimerWheel<object>.Entry[] entries)
    {
        for (var n = 0; n < entries.Length; n++)
        {
            entries[n] = wheel.Add(_due[n], Value);
        }
    }

    private void EnqueueAll(PriorityQueue<object, long> queue)
    {
        foreach (var due in _due)
        {
            queue.Enqueue(Value, due);
        }
    }

    /// <summary>As a loop does that sleeps until something is due.</summary>
    private static void AdvanceAll(TimerWheel<object> wheel, List<object> due)
    {
        while (wheel.NextDue is { } next)
        {
            due.Clear();
            wheel.Advance(next, due);
        }
    }

    private static double Time(int things, Action action)
    {
        GC.Collect();
        var begun = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(begun).TotalNanoseconds / things;
    }
}
