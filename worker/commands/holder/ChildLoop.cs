using System.Collections.Concurrent;
using Dts.Common.Hosting;

namespace Dts.Worker.Commands.Holders;

/// <summary>The one thread that looks after all children: their output, their end, their time limit, their killing.</summary>
/// <remarks>
/// <para>Everything private here belongs to that thread; others only <see cref="Post"/>. The inbox has no bound of its own: it
/// holds at most a start and some kills for each command that its callers run.</para>
/// <para>Scheme: one epoll instance. An event's key says what it is about: the bell, a pid (by its pidfd) or a pipe. The
/// timer wheel runs on monotonic milliseconds, so that a step of the wall clock shortens no time limit.</para>
/// </remarks>
internal sealed class ChildLoop
{
    private const int EventsMax = 64;
    private const int SweepIntervalMs = 1000;
    private const int BlindLookIntervalMs = 100;

    private const ulong BellKey = 1UL << 32;
    private const ulong ProcessKey = 2UL << 32;
    private const ulong PipeKey = 3UL << 32;

    private readonly ConcurrentQueue<ChildMessage> _inbox = new();
    private readonly Dictionary<int, Child> _children = [];
    private readonly OutputPipes _pipes = new();
    private readonly ProcessSnapshots _snapshots = new();
    private readonly List<Child> _condemned = []; // to be killed, all together, at the end of this round
    private readonly TimerWheel<Child> _wheel = new(Environment.TickCount64);
    private readonly List<Child> _due = [];
    private readonly int _epoll;
    private readonly int _bell;
    private readonly Thread _thread;
    private List<ProcessEntry>? _table; // what runs on this host, as of this round
    private long _sweepAtMs = long.MaxValue;
    private long _showAtMs;
    private bool _stopped;

    public ChildLoop()
    {
        (_epoll, _bell) = (Native.OpenEpoll(), Native.OpenBell());
        var error = Math.Min(Math.Min(_epoll, _bell), 0);
        error = error < 0 ? error : Native.Watch(_epoll, _bell, BellKey);
        error = error < 0 ? error : Native.AdoptOrphans();
        if (error < 0)
        {
            throw new IOException($"no event loop for child processes: {Libc.Describe(-error)}");
        }

        _thread = new Thread(Run) { IsBackground = true, Name = "dts-children" };
        _thread.Start();
    }

    public void Post(ChildMessage message)
    {
        _inbox.Enqueue(message);
        Native.RingBell(_bell);
    }

    /// <summary>Whether a process may still write to one of the pipes.</summary>
    public bool HasOpenPipes => _pipes.Count > 0;

    /// <summary>Waits for the thread to end, after <see cref="ChildMessage.Stop"/>.</summary>
    public void Join() => _thread.Join();

    private void Run()
    {
        Span<ulong> keys = stackalloc ulong[EventsMax];
        while (!_stopped)
        {
            var count = Native.Wait(_epoll, keys, MillisecondsToSleep());
            _table = null;
            TakeInbox();
            for (var i = 0; i < count; i++)
            {
                Serve(keys[i]);
            }

            var now = Environment.TickCount64;
            ServeTimers(now);
            KillCondemned(now);
            ShowOutput(now);
            if (count > 0 || now >= _sweepAtMs)
            {
                SweepOrphans(now);
            }
        }

        LetGo();
    }

    private int MillisecondsToSleep()
    {
        var next = Math.Min(_wheel.NextDue ?? long.MaxValue, _sweepAtMs);
        return next == long.MaxValue ? -1 : (int)Math.Clamp(next - Environment.TickCount64, 0, int.MaxValue);
    }

    private void TakeInbox()
    {
        while (_inbox.TryDequeue(out var message))
        {
            switch (message)
            {
                case ChildMessage.Started(var child):
                    _children.Add(child.Pid, child);
                    Guard(child, OnStarted);
                    break;
                case ChildMessage.KillAsked(var running, var reason, var grace):
                    if (_children.TryGetValue(running.Pid, out var condemned) && condemned.Running == running)
                    {
                        Condemn(condemned, new CommandOutcome.Killed(reason), grace);
                    }

                    break;
                case ChildMessage.Stop:
                    _stopped = true;
                    break;
            }
        }
    }

    private void Serve(ulong key)
    {
        var number = (int)(key & uint.MaxValue);
        switch (key - (ulong)number)
        {
            case BellKey:
                Native.SilenceBell(_bell);
                TakeInbox(); // Anything posted before the bell was silenced is taken now, anything later rings it again.
                break;
            case ProcessKey when _children.TryGetValue(number, out var child):
                Guard(child, OnEnded);
                break;
            case PipeKey when _pipes.FindChild(number) is { } child:
                Guard(child, child => _pipes.Read(child.Input));
                break;
            case PipeKey:
                _pipes.Read(number);
                break;
        }
    }

    private void ServeTimers(long now)
    {
        _wheel.Advance(now, _due);
        foreach (var child in _due)
        {
            child.Timer = null;
            Guard(child, OnTimer);
        }

        _due.Clear();
    }

    // One command's trouble must not become the others'.
    private void Guard(Child child, Action<Child> step)
    {
        try
        {
            step(child);
        }
        catch (Exception e)
        {
            Abandon(child, e);
        }
    }

    private void Abandon(Child child, Exception reason)
    {
        if (_children.ContainsKey(child.Pid))
        {
            _ = Native.SendSignalToGroup(child.Pid, Native.SIGKILL);
            _ = Release(child);
        }

        child.Running.Complete(CommandEnding.Abandoned(reason.Message, child.Running.StartedAt, DateTimeOffset.UtcNow));
    }

    private void OnStarted(Child child)
    {
        _pipes.Add(child);
        Watch(child.Input, PipeKey | (uint)child.Input);
        if (child.PidFd >= 0)
        {
            Watch(child.PidFd, ProcessKey | (uint)child.Pid);
        }

        var now = Environment.TickCount64;
        child.StartedAtMs = now;
        if (child.Command.Timeout > TimeSpan.Zero)
        {
            child.TimesOutAtMs = now + (long)Math.Ceiling(child.Command.Timeout.TotalMilliseconds);
        }

        SetTimer(child, child.TimesOutAtMs, now);
        _sweepAtMs = Math.Min(_sweepAtMs, now + SweepIntervalMs);
    }

    private void Watch(int fd, ulong key)
    {
        if (Native.Watch(_epoll, fd, key) is < 0 and var error)
        {
            throw new IOException($"cannot watch it: {Libc.Describe(-error)}");
        }
    }

    private void SetTimer(Child child, long atMs, long now)
    {
        if (child.Timer is { } former)
        {
            _ = _wheel.Cancel(former);
        }

        atMs = child.PidFd < 0 ? Math.Min(atMs, now + BlindLookIntervalMs) : atMs;
        child.Timer = atMs == long.MaxValue ? null : _wheel.Add(atMs, child);
    }

    private void OnEnded(Child child)
    {
        child.HasEnded = true;
        if (child.Kill is not { HasBegun: true })
        {
            Finish(child, outcome: null); // A kill that was only asked for came too late.
            return;
        }

        Native.Unwatch(_epoll, child.PidFd);
        LookAtKill(child);
    }

    private void OnTimer(Child child)
    {
        var now = Environment.TickCount64;
        if (child.PidFd < 0 && !child.HasEnded && Native.HasEnded(child.Pid))
        {
            _table = null; // It may have been read before that end.
            OnEnded(child);
        }
        else if (child.Kill is { HasBegun: true })
        {
            LookAtKill(child);
        }
        else if (now >= child.TimesOutAtMs)
        {
            Condemn(child, new CommandOutcome.TimedOut(child.Command.Timeout));
        }
        else
        {
            SetTimer(child, child.TimesOutAtMs, now);
        }
    }

    private void Condemn(Child child, CommandOutcome outcome, TimeSpan? grace = null)
    {
        if (child.Kill is null)
        {
            child.Kill = new KillSequence(child, outcome, grace ?? child.Command.KillGrace);
            _condemned.Add(child);
        }
    }

    private void KillCondemned(long now)
    {
        _ = _condemned.RemoveAll(child => child.HasEnded || _children.GetValueOrDefault(child.Pid) != child);
        if (_condemned.Count == 0)
        {
            return;
        }

        try
        {
            KillSequence.Begin([.. _condemned.Select(child => child.Kill).OfType<KillSequence>()], _snapshots, now);
            _condemned.ForEach(child => Guard(child, LookAtKill));
        }
        catch (IOException e)
        {
            _condemned.ForEach(child => Abandon(child, e)); // The table of processes cannot be read.
        }

        _condemned.Clear();
    }

    private void LookAtKill(Child child)
    {
        if (child.Kill is not { } kill)
        {
            return;
        }

        var now = Environment.TickCount64;
        if (!child.HasEnded && now < kill.GraceEndsMs)
        {
            SetTimer(child, kill.GraceEndsMs, now); // Its end brings us here before that.
        }
        else if (kill.Look(_table ??= ProcessTable.List(), child.HasEnded, now) is { } next)
        {
            SetTimer(child, next, now);
        }
        else
        {
            Finish(child, kill.Outcome);
        }
    }

    /// <summary>Reaps a command that is over and tells its ending; a null outcome is its own.</summary>
    private void Finish(Child child, CommandOutcome? outcome)
    {
        var endedAt = DateTimeOffset.UtcNow;
        _pipes.TakeRest(child);
        var reaped = Release(child);
        if (child.Kill is { HasBegun: true } kill)
        {
            UnreapedCommands.ReapOrphans(kill.Descendants); // so that nothing of it is left, not even its dead
        }

        child.Running.Complete(child.ToEnding(outcome, reaped, endedAt));
    }

    private Native.Reaped? Release(Child child)
    {
        _ = _children.Remove(child.Pid);
        if (child.Timer is { } timer)
        {
            _ = _wheel.Cancel(timer);
        }

        _pipes.Forget(child);
        (child.Files with { Output = -1 }).Close(); // The capture owns the descriptor of the output.
        if (child.PidFd >= 0)
        {
            Native.Unwatch(_epoll, child.PidFd);
            Native.Close(child.PidFd);
        }

        var reaped = Native.Reap(child.Pid);
        UnreapedCommands.Remove(child.Running);
        return reaped;
    }

    // Descendants that lost their parent become our children (PR_SET_CHILD_SUBREAPER) and are reaped here when they end.
    // Nothing tells of their end, so this is asked after every batch of events, and once a second while we have children.
    private void SweepOrphans(long now) =>
        _sweepAtMs = UnreapedCommands.ReapOrphans() ? now + SweepIntervalMs : long.MaxValue;

    /// <summary>What goes on for long is to be readable while it does; what is short needs no file.</summary>
    private void ShowOutput(long now)
    {
        if (now < _showAtMs || _children.Count == 0)
        {
            return;
        }

        _showAtMs = now + SweepIntervalMs;
        foreach (var child in _children.Values.Where(child => child.StartedAtMs <= now - SweepIntervalMs))
        {
            child.Output.Show();
        }
    }

    // Commands that still run are left alone.
    private void LetGo()
    {
        TakeInbox();
        foreach (var child in _children.Values)
        {
            UnreapedCommands.Remove(child.Running);
            child.Running.Cancel();
            if (child.PidFd >= 0)
            {
                Native.Close(child.PidFd);
            }
        }

        _pipes.CloseAll();
        Native.Close(_epoll);
        Native.Close(_bell);
    }
}
