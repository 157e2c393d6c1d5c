using System.Globalization;
using System.Text.Json.Serialization;

namespace Dts.Worker.Commands;

/// <summary>How a command ended, in the words of operators.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "is")]
[JsonDerivedType(typeof(Exited), "exited")]
[JsonDerivedType(typeof(Signaled), "signaled")]
[JsonDerivedType(typeof(TimedOut), "timedOut")]
[JsonDerivedType(typeof(Killed), "killed")]
[JsonDerivedType(typeof(NotStarted), "notStarted")]
[JsonDerivedType(typeof(Abandoned), "abandoned")]
[JsonDerivedType(typeof(Lost), "lost")]
internal abstract record CommandOutcome
{
    private static readonly string[] SignalNames =
    [
        "", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
        "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
        "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
    ];

    private CommandOutcome()
    {
    }

    /// <summary>Empty for success, else one line.</summary>
    [JsonIgnore]
    public string Error => Describe();

    private protected abstract string Describe();

    /// <summary>It exited; status 0 is success.</summary>
    public sealed record Exited(int Status) : CommandOutcome
    {
        private protected override string Describe() => Status == 0 ? "" : $"exit status {Status}";
    }

    /// <summary>A signal ended it that this process did not send.</summary>
    public sealed record Signaled(int Signal) : CommandOutcome
    {
        private protected override string Describe() =>
            $"killed by {(Signal < SignalNames.Length ? SignalNames[Signal] : $"signal {Signal}")}";
    }

    /// <summary>It was killed because it reached its time limit.</summary>
    public sealed record TimedOut(TimeSpan After) : CommandOutcome
    {
        private protected override string Describe() =>
            string.Create(CultureInfo.InvariantCulture, $"timed out after {After.TotalSeconds:0.###} s");
    }

    /// <summary>It was killed because somebody asked for it.</summary>
    public sealed record Killed(string Reason) : CommandOutcome
    {
        private protected override string Describe() => $"killed: {Reason}";
    }

    /// <summary>It never ran: no such shell or directory, or the host is out of processes, memory or descriptors.</summary>
    /// <param name="TooLate">The command is not at fault: its start came too late.</param>
    public sealed record NotStarted(string Why, bool TooLate = false) : CommandOutcome
    {
        private protected override string Describe() => TooLate ? Why : $"cannot start: {Why}";
    }

    /// <summary>An internal fault: it could not be looked after, and was killed as far as possible.</summary>
    public sealed record Abandoned(string Why) : CommandOutcome
    {
        private protected override string Describe() => $"abandoned: {Why}";
    }

    /// <summary>Its holder died, so it is unknown how it ended, or whether it did.</summary>
    public sealed record Lost(string Why) : CommandOutcome
    {
        private protected override string Describe() => Why;
    }
}
