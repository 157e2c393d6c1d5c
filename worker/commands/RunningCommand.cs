using Dts.Worker.Commands.Holders;

namespace Dts.Worker.Commands;

/// <summary>A command that was started, or that could not be: then it has ended already.</summary>
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

    /// <summary>One that a holder has started, or tried to.</summary>
    internal static RunningCommand Of(HolderMessage.Held held, Action<RunningCommand, string, TimeSpan?> kill)
    {
        var running = new RunningCommand(held.Pid, held.StartTicks, held.StartedAt, kill);
        if (held.Ending is { } ending)
        {
            running.Complete(ending);
        }

        return running;
    }

    /// <summary>One that never ran.</summary>
    internal static RunningCommand NotStarted(string why, bool tooLate = false) =>
        new(CommandEnding.NotStarted(why, DateTimeOffset.UtcNow, tooLate));

    /// <summary>The shell's process, which leads its session and its process group; 0 = it could not be started.</summary>
    public int Pid { get; }

    /// <summary>
    /// When the shell was started, in clock ticks since boot. Together with <see cref="Pid"/> it identifies one process of this boot
    /// (proc(5), stat, field 22).
    /// </summary>
    public long StartTicks { get; }

    /// <summary>The wall clock just before the shell was executed.</summary>
    public DateTimeOffset StartedAt { get; }

    /// <summary>Completes when it is over. It never faults; disposing the runner cancels it.</summary>
    public Task<CommandEnding> Ended => _ended.Task;

    /// <summary>Why its start came too late; null = it did not. Such a command never runs, and may be prepared and started again.</summary>
    public string? WhyTooLate =>
        Ended.IsCompletedSuccessfully && Ended.Result.Outcome is CommandOutcome.NotStarted(var why, TooLate: true) ? why : null;

    /// <summary>
    /// Ends it and all its descendants: SIGTERM, a grace, SIGKILL. Returns at once; <see cref="Ended"/> brings the ending. Of several kills
    /// the first counts, and one that comes too late does nothing.
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

/// <summary>A command that an earlier process of this worker started and did not record.</summary>
/// <param name="Tag">What that process noted for this one.</param>
internal sealed record FormerCommand(string Id, string Tag, RunningCommand Running);
