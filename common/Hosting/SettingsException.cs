namespace Dts.Common.Hosting;

/// <summary>A setting that cannot be used. The message is the one line for the operator.</summary>
public sealed class SettingsException(string message) : Exception(message)
{
    /// <summary>EX_CONFIG of sysexits.h; the units do not restart on it.</summary>
    public const int ExitCode = 78;
}
