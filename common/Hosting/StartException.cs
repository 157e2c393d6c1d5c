namespace Dts.Common.Hosting;

/// <summary>
/// A service cannot start now. Its settings are right, so the next start may succeed. The message is one line for the operator.
/// </summary>
public sealed class StartException(string message) : Exception(message)
{
    /// <summary>With this code the systemd units restart the service.</summary>
    public const int ExitCode = 1;
}
