namespace Dts.Worker.Commands;

/// <summary>A command as a crontab line means it: a script for a shell, and what surrounds it.</summary>
internal sealed record ShellCommand
{
    /// <summary>What the shell is given to run: <c>shell -c script</c>.</summary>
    public required string Script { get; init; }

    /// <summary>The whole environment; nothing else is inherited. See <see cref="CommandEnvironment"/>.</summary>
    /// <remarks>
    /// Its entries that begin with DTS_ are also the run's mark: when a run is killed, orphans that carry exactly these
    /// are its own, wherever they have moved. So together they must be unlike any other run's; without DTS_RUN_ID there is no mark.
    /// </remarks>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>The shell's absolute path.</summary>
    public string Shell { get; init; } = "/bin/bash";

    /// <summary>The directory to run in; null is the worker's own.</summary>
    public string? Cwd { get; init; }

    /// <summary>The user whose holder starts the command (<see cref="HeldCommands"/>); null = the worker's own.</summary>
    public UserAccount? User { get; init; }

    /// <summary>The cgroup that it enters before its shell is executed; null = it stays in the worker's.</summary>
    public RunCgroup? Cgroup { get; init; }

    /// <summary>What it finds at <c>$DTS_SECRETS</c>; null = nothing.</summary>
    public SecretFiles? Secrets { get; init; }

    /// <summary>How many bytes of output are kept, half from the beginning and half from the end.</summary>
    public int OutputLimitBytes { get; init; } = 256 * 1024;

    /// <summary>Where the whole output goes besides, up to its own limit; null = nowhere.</summary>
    public OutputTarget? OutputTarget { get; init; }

    /// <summary>How long it may run before it is killed; zero is for ever.</summary>
    public TimeSpan Timeout { get; init; }

    /// <summary>How long a killed command has between SIGTERM and SIGKILL.</summary>
    public TimeSpan KillGrace { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>Where a command's whole output goes.</summary>
/// <param name="Run">Whose it is; the file's first line.</param>
/// <param name="LimitBytes">How much of it.</param>
internal sealed record OutputTarget(string Path, string Run, long LimitBytes)
{
    /// <summary>An output of up to this, in bytes, needs no file.</summary>
    public const int KeptInMemory = 64 << 10;
}
