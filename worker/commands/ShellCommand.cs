namespace Dts.Worker.Commands;

/// <summary>A command like that of a crontab line: a script for a shell, and the conditions under which it runs.</summary>
internal sealed record ShellCommand
{
    /// <summary>The script, which runs as <c>shell -c script</c>.</summary>
    public required string Script { get; init; }

    /// <summary>The whole environment; nothing else is inherited. See <see cref="CommandEnvironment"/>.</summary>
    /// <remarks>
    /// The entries that begin with DTS_ also identify the run's processes: a kill finds orphans that have exactly these, wherever they have
    /// moved. So together they must differ from those of all other runs; without DTS_RUN_ID orphans are not looked for.
    /// </remarks>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>The shell's absolute path.</summary>
    public string Shell { get; init; } = "/bin/bash";

    /// <summary>The directory to run in; null is the worker's own.</summary>
    public string? Cwd { get; init; }

    /// <summary>The user whose holder starts the command (<see cref="HeldCommands"/>); null = the worker's own.</summary>
    public UserAccount? User { get; init; }

    /// <summary>The cgroup that it enters before its shell is executed; null = the worker's.</summary>
    public RunCgroup? Cgroup { get; init; }

    /// <summary>The files that it finds in the folder <c>$DTS_SECRETS</c>; null = none.</summary>
    public SecretFiles? Secrets { get; init; }

    /// <summary>How many bytes of output are kept, half from the beginning and half from the end.</summary>
    public int OutputLimitBytes { get; init; } = 256 * 1024;

    /// <summary>The file that takes the whole output, up to its own limit; null = there is none.</summary>
    public OutputTarget? OutputTarget { get; init; }

    /// <summary>How long it may run before it is killed; zero = without limit.</summary>
    public TimeSpan Timeout { get; init; }

    /// <summary>The time between SIGTERM and SIGKILL.</summary>
    public TimeSpan KillGrace { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>The file that takes a command's whole output.</summary>
/// <param name="Run">The run, which the file's first line names.</param>
/// <param name="LimitBytes">The most bytes that it takes.</param>
internal sealed record OutputTarget(string Path, string Run, long LimitBytes)
{
    /// <summary>An output of up to this many bytes needs no file.</summary>
    public const int KeptInMemory = 64 << 10;
}
