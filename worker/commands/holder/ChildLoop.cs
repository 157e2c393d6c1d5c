using System.Collections.Concurrent;
using Dts.Common.Hosting;
using Dts.Worker.Native;

namespace Dts.Worker.Commands.Holders;

/// <summary>The one thread that looks after all children: their output, their ends, their time limits, their kills.</summary>
/// <remarks>
/// All private members belong to that thread; others only <see cref="Post"/>. The inbox has no bound: it holds at most a start and some
/// kills for each command.
/// </remarks>
internal sealed class ChildLoop
{
    private const int SweepIntervalMs = 1000;

    private readonly ConcurrentQueue<ChildMessage> _inbox = new();
    private readonly CondemnedChildren _condemned = new();
    private readonly ChildTimers _timers = new();
    private readonly ChildEvents _events = new();
    private readonly ChildTable _children;
    private readonly List<ChildEvent> _happened = []; // in this round
    private readonly Thread _thread;
    private List<ProcessEntry>? _table; // the processes of this host, as of this round
    private long _sweepAtMs = long.MaxValue;
    private bool _stopped;

    public ChildLoop()
    {
        if (ChildProcesses.AdoptOrphans() is < 0 and var error)
        {
            throw new IOException($"orphans of commands cannot be adopted: {Libc.Describe(-error)}");
        }

        _children = new ChildTable(_events, _timers);
        _thread = new Thread(Run) { IsBackground = true, Name = "dts-children" };
        _thread.Start();
    }

    public void Post(ChildMessage message)
    {
        _inbox.Enqueue(message);
        _events.Ring();
    }

    /// <summary>Whether a process may still write to a pipe.</summary>
    public bool HasOpenPipes => _children.Pipes.Count > 0;

    /// <summary>Waits for the thread to end, after <see cref="ChildMessage.Stop"/>.</summary>
    public void Join() => _thread.Join();

    private void Run()
    {
        while (!_stopped)
        {
            _happened.Clear();
            _events.Wait(MillisecondsToSleep(), _happened);
            _table = null;
            TakeInbox();
            _happened.ForEach(Serve);

            var now = Environment.TickCount64;
            _timers.Advance(now, child => Guard(child, OnTimer));
            KillCondemned(now);
            _children.ShowOutputs(now);
            if (_happened.Count > 0 || now >= _sweepAtMs)
            {
                // Orphaned descendants become children of this process (PR_SET_CHILD_SUBREAPER). No event tells of their ends.
                _sweepAtMs = UnreapedCommands.ReapOrphans() ? now + SweepIntervalMs : long.MaxValue;
            }
        }

        TakeInbox(); // Commands started meanwhile are left alone, too.
        _children.LeaveAll();
        _events.Close();
    }

    private int MillisecondsToSleep()
    {
        var next = Math.Min(_timers.NextDue, _sweepAtMs);
        return next == long.MaxValue ? -1 : (int)Math.Clamp(next - Environment.TickCount64, 0, int.MaxValue);
    }

    private void TakeInbox()
    {
        while (_inbox.TryDequeue(out var message))
        {
            switch (message)
            {
                case ChildMessage.Started(var child):
                    _children.Add(child);
                    Guard(child, OnStarted);
                    break;
                case ChildMessage.KillAsked(var running, var reason, var grace):
                    if (_children.Find(running.Pid) is { } condemned && condemned.Running == running)
                    {
                        _condemned.Add(condemned, new CommandOutcome.Killed(reason), grace);
                    }

                    break;
                case ChildMessage.Stop:
                    _stopped = true;
                    break;
            }
        }
    }

    private void Serve(ChildEvent happened)
    {
        var (kind, number) = happened;
        switch (kind)
        {
            case ChildEventKind.BellRang:
                _events.SilenceBell();
                TakeInbox(); // Takes messages posted before the bell was silenced; later ones ring it again.
                break;
            case ChildEventKind.Ended when _children.Find(number) is { } child:
                Guard(child, OnEnded);
                break;
            case ChildEventKind.Output when _children.Pipes.FindChild(number) is { } child:
                Guard(child, child => _children.Pipes.Read(child.Input));
                break;
            case ChildEventKind.Output:
                _children.Pipes.Read(number);
                break;
        }
    }

    /// <summary>Takes a step for one child. An exception abandons that child and no other.</summary>
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
        if (_children.Find(child.Pid) is not null)
        {
            _ = ChildProcesses.SignalGroup(child.Pid, ChildProcesses.SIGKILL);
            _ = _children.Release(child);
        }

        child.Running.Complete(CommandEnding.Abandoned(reason.Message, child.Running.StartedAt, DateTimeOffset.UtcNow));
    }

    private void OnStarted(Child child)
    {
        _children.Watch(child);
        var now = Environment.TickCount64;
        child.Begin(now);
        _timers.Set(child, child.TimesOutAtMs, now);
        _sweepAtMs = Math.Min(_sweepAtMs, now + SweepIntervalMs);
    }

    private void OnEnded(Child child)
    {
        child.HasEnded = true;
        if (child.Kill is not { HasBegun: true })
        {
            Finish(child, outcome: null); // A kill that has not begun came too late.
            return;
        }

        _events.UnwatchEnd(child);
        LookAtKill(child);
    }

    private void OnTimer(Child child)
    {
        var now = Environment.TickCount64;
        if (child.PidFd < 0 && !child.HasEnded && ChildProcesses.HasEnded(child.Pid))
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
            _condemned.Add(child, new CommandOutcome.TimedOut(child.Command.Timeout));
        }
        else
        {
            _timers.Set(child, child.TimesOutAtMs, now);
        }
    }

    private void KillCondemned(long now)
    {
        var (begun, fault) = _condemned.Begin(_children, now);
        foreach (var child in begun)
        {
            if (fault is null)
            {
                Guard(child, LookAtKill);
            }
            else
            {
                Abandon(child, fault);
            }
        }
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
            _timers.Set(child, kill.GraceEndsMs, now); // Its end brings us here before that.
        }
        else if (kill.Look(_table ??= ProcessTable.List(), child.HasEnded, now) is { } next)
        {
            _timers.Set(child, next, now);
        }
        else
        {
            Finish(child, kill.Outcome);
        }
    }

    /// <summary>Reaps a command that is over and completes it.</summary>
    /// <param name="outcome">Null = its exit status decides.</param>
    private void Finish(Child child, CommandOutcome? outcome)
    {
        var endedAt = DateTimeOffset.UtcNow;
        _children.Pipes.TakeRest(child);
        var reaped = _children.Release(child);
        if (child.Kill is { HasBegun: true } kill)
        {
            UnreapedCommands.ReapOrphans(kill.Descendants);
        }

        child.Running.Complete(child.ToEnding(outcome, reaped, endedAt));
    }
}
