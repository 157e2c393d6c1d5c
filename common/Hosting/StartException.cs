namespace Dts.Common.Hosting;

/// <summary>A service cannot start now, and nothing has to be set otherwise: the next start may succeed. The message is the one line for the operator.</summary>
public sealed class StartException(string message) : Exception(message)
{
    /// <summary>The units start the service again.</summary>
    public const int ExitCode = 1;
}
