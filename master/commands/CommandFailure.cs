namespace Dts.Master.Commands;

/// <summary>Ends a command with a line on stderr.</summary>
internal sealed class CommandFailure(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;

    /// <summary>A retry may succeed, for example once the master is up.</summary>
    public bool IsTransient { get; init; }
}

/// <summary>The exit codes that scripts can rely on.</summary>
internal static class ExitCodes
{
    public const int Done = 0;

    /// <summary>The run did not succeed, or the ledger has faults.</summary>
    public const int Failed = 1;

    /// <summary>The master refused the request, or cannot be reached.</summary>
    public const int Refused = 2;

    /// <summary>EX_USAGE of sysexits.h.</summary>
    public const int Usage = 64;
}
