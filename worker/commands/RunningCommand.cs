using Dts.Worker.Commands.Holders;

namespace Dts.Worker.Commands;

/// <summary>A command that was started (or could not be, in which case it has ended already).</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class RunningCommand
{
    private readonly TaskCompletionSource<CommandEnding> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action<RunningCommand, string, TimeSpan?>? _kill;

    internal RunningCommand(int pid, long startTicks, DateTimeOffset startedAt, Action<RunningCommand, string, TimeSpan?> kill)
    {
        (Pid, StartTicks, StartedAt, _kill) = (pid, startTicks, startedAt, kill);
    }

    internal RunningCommand(CommandEnding ending)
    {
        StartedAt = ending.StartedAt;
        _ended.SetResult(ending);
    }

    /// <summary>One that never ran.</summary>
    internal static RunningCommand NotStarted(string why, bool tooLate = false) =>
        new(CommandEnding.NotStarted(why, DateTimeOffset.UtcNow, tooLate));

    /// <summary>The shell's process, which is also its session and its process group; 0 when it could not be started.</summary>
    public int Pid { get; }

    /// <summary>
    /// When the shell was started, in clock ticks since boot: with <see cref="Pid"/> it names one process of this boot
    /// (proc(5), stat, field 22).
    /// </summary>
    public long StartTicks { get; }

    /// <summary>The wall clock just before the shell was executed.</summary>
    public DateTimeOffset StartedAt { get; }

    /// <summary>Completes when it is over; never faults, and is cancelled when the runner is disposed before.</summary>
    public Task<CommandEnding> Ended => _ended.Task;

    /// <summary>
    /// Ends it and everything that descends from it: SIGTERM, the command's grace, SIGKILL. Returns at once; the ending comes
    /// by <see cref="Ended"/>. Of several kills the first counts, and one that comes too late does nothing.
    /// </summary>
    /// <param name="grace">Null = the command's own.</param>
    public void Kill(string reason, TimeSpan? grace = null)
    {
        if (!Ended.IsCompleted)
        {
            _kill?.Invoke(this, reason, grace);
        }
    }

    internal void Complete(CommandEnding ending) => _ended.TrySetResult(ending);

    internal void Cancel() => _ended.TrySetCanceled();
}

/// <summary>A command that a process before this one started and did not see to its record.</summary>
/// <param name="Tag">What that process wanted this one to know.</param>
internal sealed record FormerCommand(string Id, string Tag, RunningCommand Running);
