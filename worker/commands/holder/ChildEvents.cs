using Dts.Common.Hosting;
using Dts.Worker.Native;

namespace Dts.Worker.Commands.Holders;

/// <summary>What the child loop waits for: its bell, the ends of children (by their pidfds), and output in their pipes.</summary>
/// <remarks>Not thread-safe, except <see cref="Ring"/>.</remarks>
internal sealed class ChildEvents
{
    private const int EventsMax = 64;

    private const ulong BellKey = 1UL << 32;
    private const ulong ProcessKey = 2UL << 32;
    private const ulong PipeKey = 3UL << 32;

    private readonly int _epoll = Epoll.Open();
    private readonly int _bell = Epoll.OpenBell();

    /// <exception cref="IOException">The kernel has no epoll instance or eventfd to give.</exception>
    public ChildEvents()
    {
        var error = Math.Min(Math.Min(_epoll, _bell), 0);
        error = error < 0 ? error : Epoll.Watch(_epoll, _bell, BellKey);
        if (error < 0)
        {
            throw new IOException($"no event loop for child processes: {Libc.Describe(-error)}");
        }
    }

    /// <summary>Wakes the loop, from any thread.</summary>
    public void Ring() => Epoll.RingBell(_bell);

    public void SilenceBell() => Epoll.SilenceBell(_bell);

    /// <summary>Waits at most the given milliseconds (-1: forever), and appends what has happened.</summary>
    public void Wait(int timeoutMs, List<ChildEvent> events)
    {
        Span<ulong> keys = stackalloc ulong[EventsMax];
        var count = Epoll.Wait(_epoll, keys, timeoutMs);
        for (var i = 0; i < count; i++)
        {
            var number = (int)(keys[i] & uint.MaxValue);
            events.Add((keys[i] - (ulong)number) switch
            {
                BellKey => new ChildEvent(ChildEventKind.BellRang, 0),
                ProcessKey => new ChildEvent(ChildEventKind.Ended, number),
                _ => new ChildEvent(ChildEventKind.Output, number),
            });
        }
    }

    /// <exception cref="IOException">The kernel does not watch it.</exception>
    public void Watch(Child child)
    {
        Watch(child.Input, PipeKey | (uint)child.Input);
        if (child.PidFd >= 0)
        {
            Watch(child.PidFd, ProcessKey | (uint)child.Pid);
        }
    }

    /// <summary>Ends the watch for a child's end.</summary>
    public void UnwatchEnd(Child child) => Epoll.Unwatch(_epoll, child.PidFd);

    public void Close()
    {
        FileDescriptors.Close(_epoll);
        FileDescriptors.Close(_bell);
    }

    private void Watch(int fd, ulong key)
    {
        if (Epoll.Watch(_epoll, fd, key) is < 0 and var error)
        {
            throw new IOException($"cannot watch it: {Libc.Describe(-error)}");
        }
    }
}

/// <param name="Number">The pid of the child that has ended, or the descriptor of the pipe.</param>
internal readonly record struct ChildEvent(ChildEventKind Kind, int Number);

internal enum ChildEventKind
{
    BellRang,
    Ended,
    Output,
}
