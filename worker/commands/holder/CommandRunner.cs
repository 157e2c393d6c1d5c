namespace Dts.Worker.Commands.Holders;

/// <summary>Runs commands, each in a session of its own: its output captured, its end noticed, its descendants within reach.</summary>
/// <remarks>
/// Thread-safe, but not to be disposed while a command is being started. Makes the process a subreaper (prctl(2),
/// PR_SET_CHILD_SUBREAPER) and reaps the orphans that come to it.
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
        Native.OccupyStandardStreams();
        _loop = new ChildLoop();
    }

    /// <summary>
    /// Makes this thread a real-time one (sched(7)), which is best for starting many commands at one moment; nothing that it starts is.
    /// For a thread of one's own that mostly sleeps, not for one of the pool. False if this process must not: it takes CAP_SYS_NICE.
    /// </summary>
    public static bool TryHurryThisThread() => Native.TryRunFirst();

    /// <summary>
    /// Whether a background process of an ended command may still write to that command's output. This runner reads such output and
    /// discards it.
    /// </summary>
    public bool HasOpenPipes => _loop.HasOpenPipes;

    /// <summary>Does ahead of time what can be done: to be started, or disposed. What is wrong already shows when it is started.</summary>
    public PreparedCommand Prepare(ShellCommand command) => Prepare(command, CommandFiles.Open(command));

    /// <param name="files">The prepared command takes ownership of them.</param>
    internal PreparedCommand Prepare(ShellCommand command, CommandFiles files)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new PreparedCommand(command, files);
    }

    /// <summary>
    /// Starts a prepared command and uses it up. Returns when the shell has been executed; a command that cannot be started
    /// (no such shell, no such directory, no more processes) has ended already, with the reason.
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
                pidFd: Native.OpenPidFd(running.Pid),
                input: prepared.TakeInput(),
                files: prepared.TakeFiles(),
                maxRssFloorKb: Native.OwnMaxRssKb())));
            return running;
        }
    }

    /// <summary>Ends the thread. Commands that still run are left alone, and their endings are cancelled: kill them before.</summary>
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
