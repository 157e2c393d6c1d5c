using Dts.Worker.Native;

namespace Dts.Worker.Commands.Holders;

/// <summary>A started command as the child loop sees it, until its ending.</summary>
/// <remarks>Not thread-safe. The child loop is its only user once it has been posted.</remarks>
internal sealed class Child(RunningCommand running, ShellCommand command, int pidFd, int input, CommandFiles files)
{
    public RunningCommand Running { get; } = running;

    public ShellCommand Command { get; } = command;

    public int Pid => Running.Pid;

    /// <summary>Readable once it has ended. Below 0 = the kernel gave none, and the loop looks for its end from time to time.</summary>
    public int PidFd { get; } = pidFd;

    /// <summary>The reading end of its output pipe; <see cref="OutputPipes"/> closes it.</summary>
    public int Input { get; } = input;

    public CommandFiles Files { get; } = files;

    public OutputCapture Output { get; } = new(
        command.OutputLimitBytes, command.OutputTarget is { } target ? new OutputFile(target, files.Output) : null);

    /// <summary>When it started, in the loop's milliseconds.</summary>
    public long StartedAtMs { get; private set; }

    /// <summary>When it has reached its time limit, in the loop's milliseconds.</summary>
    public long TimesOutAtMs { get; private set; } = long.MaxValue;

    /// <summary>Its process has ended, and may be unreaped (see <see cref="ProcessTree"/>).</summary>
    public bool HasEnded { get; set; }

    public KillSequence? Kill { get; set; }

    public TimerWheel<Child>.Entry? Timer { get; set; }

    /// <summary>Notes when it started, which sets its time limit.</summary>
    public void Begin(long nowMs)
    {
        StartedAtMs = nowMs;
        if (Command.Timeout > TimeSpan.Zero)
        {
            TimesOutAtMs = nowMs + (long)Math.Ceiling(Command.Timeout.TotalMilliseconds);
        }
    }

    /// <summary>Describes how it ended.</summary>
    /// <param name="outcome">Null = its exit status decides.</param>
    public CommandEnding ToEnding(CommandOutcome? outcome, ChildProcesses.Reaped? reaped, DateTimeOffset endedAt)
    {
        var (text, truncated) = Output.ToText();
        return new CommandEnding(
            outcome ?? OutcomeOf(reaped),
            reaped?.ExitCode,
            reaped?.Signal,
            Running.StartedAt,
            endedAt,
            CpuMs: reaped?.CpuMs ?? 0,
            MaxRssKb: reaped is { MaxRssKb: var kb } && kb > ProcessTable.OwnMaxRssKb() ? kb : null,
            Output: text,
            OutputBytes: Output.TotalBytes,
            OutputTruncated: truncated,
            OutputStored: Output.CloseFile(),
            Leftovers: Kill?.Leftovers ?? [],
            Processes: Kill is { Processes.Count: > 0 } kill ? kill.Processes : null);
    }

    private static CommandOutcome OutcomeOf(ChildProcesses.Reaped? reaped) => reaped switch
    {
        { ExitCode: { } code } => new CommandOutcome.Exited(code),
        { Signal: { } signal } => new CommandOutcome.Signaled(signal),
        _ => new CommandOutcome.Abandoned("somebody else reaped it"),
    };
}

/// <summary>What other threads tell the child loop.</summary>
internal abstract record ChildMessage
{
    private ChildMessage()
    {
    }

    public sealed record Started(Child Child) : ChildMessage;

    public sealed record KillAsked(RunningCommand Running, string Reason, TimeSpan? Grace) : ChildMessage;

    public sealed record Stop : ChildMessage;
}
