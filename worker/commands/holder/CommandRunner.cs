using Dts.Worker.Native;

namespace Dts.Worker.Commands.Holders;

/// <summary>Runs commands, each in a session of its own: captures its output, notices its end, and can kill all its descendants.</summary>
/// <remarks>
/// Thread-safe, but must not be disposed while a command is being started. Makes the process a subreaper (prctl(2),
/// PR_SET_CHILD_SUBREAPER) and reaps orphaned descendants.
/// </remarks>
internal sealed class CommandRunner : IDisposable
{
    private readonly ChildLoop _loop;
    private readonly SpawnAttributes _attributes = new();
    private bool _disposed;

    /// <summary>Starts the thread that looks after the commands.</summary>
    /// <exception cref="IOException">The kernel has no epoll instance or eventfd to give.</exception>
    public CommandRunner()
    {
        FileDescriptors.OccupyStandardStreams();
        _loop = new ChildLoop();
    }

    /// <summary>
    /// Gives this thread real-time priority, so that it starts many commands at one moment; nothing that it starts inherits it. Meant for
    /// a dedicated thread that mostly sleeps. False if this process lacks CAP_SYS_NICE.
    /// </summary>
    public static bool TryMakeThreadRealTime() => RealTime.TryEnter();

    /// <summary>
    /// Whether a background process of an ended command may still write to that command's output, which is read and discarded.
    /// </summary>
    public bool HasOpenPipes => _loop.HasOpenPipes;

    /// <summary>Does all that can be done before the start. Faults that are known by then are reported by the start.</summary>
    /// <param name="files">The prepared command takes ownership of them.</param>
    public PreparedCommand Prepare(ShellCommand command, CommandFiles files)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new PreparedCommand(command, files);
    }

    /// <summary>
    /// Starts a prepared command, and disposes it. Returns when the shell has been executed. A command that cannot be started (no such
    /// shell, no such directory, no more processes) is returned as ended, with the reason.
    /// </summary>
    public RunningCommand Start(PreparedCommand prepared)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using (prepared)
        {
            var startedAt = DateTimeOffset.UtcNow;
            if (UnreapedCommands.Spawn(() => TrySpawn(prepared, startedAt)) is not { } running)
            {
                return new RunningCommand(CommandEnding.NotStarted(prepared.Error ?? "", startedAt));
            }

            _loop.Post(new ChildMessage.Started(new Child(
                running,
                prepared.Command,
                pidFd: ChildProcesses.OpenPidFd(running.Pid),
                input: prepared.TakeInput(),
                files: prepared.TakeFiles())));
            return running;
        }
    }

    /// <summary>Ends the thread. Running commands are left alone, and their endings are cancelled.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _loop.Post(new ChildMessage.Stop());
        _loop.Join();
        _attributes.Dispose();
    }

    private RunningCommand? TrySpawn(PreparedCommand prepared, DateTimeOffset startedAt) =>
        prepared.Spawn(_attributes) is > 0 and var pid
            ? new RunningCommand(pid, ProcessTable.Find(pid)?.StartTicks ?? 0, startedAt, Kill)
            : null;

    private void Kill(RunningCommand running, string reason, TimeSpan? grace) =>
        _loop.Post(new ChildMessage.KillAsked(running, reason, grace));
}
