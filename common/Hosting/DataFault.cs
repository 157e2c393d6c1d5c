namespace Dts.Common.Hosting;

/// <summary>Tells at a service's start what of a file or folder is the operator's to set right from what may be over at the next start: a full disk, one that fails.</summary>
public static class DataFault
{
    /// <summary>errno(3): EAGAIN (another process holds the lock), EEXIST, ENOTDIR, EISDIR, ELOOP. Permissions and missing files have exceptions of their own.</summary>
    private static readonly int[] OfSettings = [11, 17, 20, 21, 40];

    /// <exception cref="SettingsException">The folder is in a place where it cannot be.</exception>
    /// <exception cref="StartException">Its disk does not take or give anything now.</exception>
    public static T Guard<T>(string path, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw IsOfSettings(failure)
                ? new SettingsException($"setting dataFolder: \"{path}\" cannot be used ({failure.Message}); expected a folder of this worker's own, which it can write")
                : new StartException($"\"{path}\" cannot be used now ({failure.Message}); the next start tries again");
        }
    }

    /// <summary>For a file that a setting names.</summary>
    public static Exception Of(Exception failure, string message) => IsOfSettings(failure) ? new SettingsException(message) : new StartException(message);

    private static bool IsOfSettings(Exception failure) =>
        failure is not IOException or FileNotFoundException or DirectoryNotFoundException or PathTooLongException || OfSettings.Contains(failure.HResult);
}
