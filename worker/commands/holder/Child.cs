namespace Dts.Worker.Commands.Holders;

/// <summary>A started command as the child loop sees it, until its ending.</summary>
/// <remarks>Not thread-safe. The child loop is its only user once it was handed over.</remarks>
internal sealed class Child(RunningCommand running, ShellCommand command, int pidFd, int input, CommandFiles files, long maxRssFloorKb)
{
    public RunningCommand Running { get; } = running;

    public ShellCommand Command { get; } = command;

    public int Pid => Running.Pid;

    /// <summary>Tells of its end; below 0 when there was no descriptor to be had, and then it is asked for from time to time.</summary>
    public int PidFd { get; } = pidFd;

    /// <summary>Our end of its output pipe; <see cref="OutputPipes"/> closes it.</summary>
    public int Input { get; } = input;

    public CommandFiles Files { get; } = files;

    public OutputCapture Output { get; } = new(
        command.OutputLimitBytes, command.OutputTarget is { } target ? new OutputFile(target, files.Output) : null);

    /// <summary>Our own peak of memory when it was spawned, which its figure begins with.</summary>
    public long MaxRssFloorKb { get; } = maxRssFloorKb;

    /// <summary>When it started, in the loop's milliseconds.</summary>
    public long StartedAtMs { get; set; }

    /// <summary>When its time is up, in the loop's milliseconds.</summary>
    public long TimesOutAtMs { get; set; } = long.MaxValue;

    /// <summary>Its process has ended (and may be unreaped as yet, see <see cref="ProcessTree"/>).</summary>
    public bool HasEnded { get; set; }

    public KillSequence? Kill { get; set; }

    public TimerWheel<Child>.Entry? Timer { get; set; }

    /// <summary>Its ending; a null outcome is its own, as its status tells it.</summary>
    public CommandEnding ToEnding(CommandOutcome? outcome, Native.Reaped? reaped, DateTimeOffset endedAt)
    {
        var (text, truncated) = Output.ToText();
        return new CommandEnding(
            outcome ?? OutcomeOf(reaped),
            reaped?.ExitCode,
            reaped?.Signal,
            Running.StartedAt,
            endedAt,
            CpuMs: reaped?.CpuMs ?? 0,
            MaxRssKb: reaped is { MaxRssKb: var kb } && kb > MaxRssFloorKb ? kb : null,
            Output: text,
            OutputBytes: Output.TotalBytes,
            OutputTruncated: truncated,
            OutputStored: Output.CloseFile(),
            Leftovers: Kill?.Leftovers ?? [],
            Processes: Kill is { Processes.Count: > 0 } kill ? kill.Processes : null);
    }

    private static CommandOutcome OutcomeOf(Native.Reaped? reaped) => reaped switch
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
