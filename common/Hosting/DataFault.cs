namespace Dts.Common.Hosting;

/// <summary>
/// Classifies a fault of a file or folder at a service's start: a wrong setting, which the operator must correct, or a fault that the next
/// start may not meet, such as a full or failing disk.
/// </summary>
public static class DataFault
{
    /// <summary>
    /// errno(3): EAGAIN (another process holds the lock), EEXIST, ENOTDIR, EISDIR, ELOOP. Permissions and missing files have their own
    /// exception types.
    /// </summary>
    private static readonly int[] OfSettings = [11, 17, 20, 21, 40];

    /// <summary>For a file that a setting names.</summary>
    public static Exception Of(Exception failure, string message) =>
        IsOfSettings(failure) ? new SettingsException(message) : new StartException(message);

    /// <summary>Whether the operator must correct a setting before a next start can succeed.</summary>
    public static bool IsOfSettings(Exception failure) =>
        failure is not IOException or FileNotFoundException or DirectoryNotFoundException or PathTooLongException
        || OfSettings.Contains(failure.HResult);
}

/// <summary>A setting that cannot be used. The message is the one line for the operator.</summary>
public sealed class SettingsException(string message) : Exception(message)
{
    /// <summary>EX_CONFIG of sysexits.h; the units do not restart on it.</summary>
    public const int ExitCode = 78;
}

/// <summary>
/// A service cannot start now. Its settings are right, so the next start may succeed. The message is one line for the operator.
/// </summary>
public sealed class StartException(string message) : Exception(message)
{
    /// <summary>With this code the systemd units restart the service.</summary>
    public const int ExitCode = 1;
}
