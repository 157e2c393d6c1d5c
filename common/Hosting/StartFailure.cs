namespace Dts.Common.Hosting;

/// <summary>
/// Classifies an I/O failure at a service's start: a wrong setting, which the operator must correct, or a fault that may be gone at the
/// next start, such as a full disk.
/// </summary>
public static class StartFailure
{
    /// <summary>
    /// errno(3): EAGAIN (another process holds the lock), EEXIST, ENOTDIR, EISDIR, ELOOP. Permissions and missing files have their own
    /// exception types.
    /// </summary>
    private static readonly int[] WrongSettings = [11, 17, 20, 21, 40];

    /// <summary>The exception to throw for a file that a setting names.</summary>
    public static Exception Of(Exception failure, string message) =>
        IsWrongSetting(failure) ? new SettingsException(message) : new StartException(message);

    /// <summary>Whether no start can succeed until the operator corrects a setting.</summary>
    public static bool IsWrongSetting(Exception failure) =>
        failure is not IOException or FileNotFoundException or DirectoryNotFoundException or PathTooLongException
        || WrongSettings.Contains(failure.HResult);
}

/// <summary>A setting cannot be used. The message is one line for the operator.</summary>
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
