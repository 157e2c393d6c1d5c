using Dts.Worker.Native;

namespace Dts.Worker.Commands.Holders;

/// <summary>The unreaped children, with their descriptors, timers and pipes.</summary>
/// <remarks>Not thread-safe. The child loop is its only caller.</remarks>
internal sealed class ChildTable(ChildEvents events, ChildTimers timers)
{
    private const int ShowIntervalMs = 1000;

    private readonly Dictionary<int, Child> _children = [];
    private long _showAtMs;

    public OutputPipes Pipes { get; } = new();

    public Child? Find(int pid) => _children.GetValueOrDefault(pid);

    public void Add(Child child) => _children.Add(child.Pid, child);

    /// <summary>Begins to hear of a child's output and end.</summary>
    /// <exception cref="IOException">The kernel does not watch it.</exception>
    public void Watch(Child child)
    {
        Pipes.Add(child);
        events.Watch(child);
    }

    /// <summary>Writes the outputs of commands that have run for a while to their files; short ones need no file.</summary>
    public void ShowOutputs(long now)
    {
        if (now < _showAtMs || _children.Count == 0)
        {
            return;
        }

        _showAtMs = now + ShowIntervalMs;
        foreach (var child in _children.Values.Where(child => child.StartedAtMs <= now - ShowIntervalMs))
        {
            child.Output.Show();
        }
    }

    /// <summary>Releases all that belongs to a child, and reaps it if it has ended.</summary>
    public ChildProcesses.Reaped? Release(Child child)
    {
        _ = _children.Remove(child.Pid);
        timers.Cancel(child);
        Pipes.Forget(child);
        (child.Files with { Output = -1 }).Close(); // The capture owns the descriptor of the output.
        if (child.PidFd >= 0)
        {
            events.UnwatchEnd(child);
            FileDescriptors.Close(child.PidFd);
        }

        var reaped = ChildProcesses.Reap(child.Pid);
        UnreapedCommands.Remove(child.Running);
        return reaped;
    }

    /// <summary>Leaves the running commands alone, and cancels what waits for their endings.</summary>
    public void LeaveAll()
    {
        foreach (var child in _children.Values)
        {
            UnreapedCommands.Remove(child.Running);
            child.Running.Cancel();
            if (child.PidFd >= 0)
            {
                FileDescriptors.Close(child.PidFd);
            }
        }

        Pipes.CloseAll();
    }
}
