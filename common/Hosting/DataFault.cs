namespace Dts.Common.Hosting;

/// <summary>What is wrong with a service's folder at its start is the operator's to mend.</summary>
public static class DataFault
{
    /// <exception cref="SettingsException">The folder cannot be made, read or written.</exception>
    public static T Guard<T>(string path, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"setting dataFolder: \"{path}\" cannot be used ({failure.Message}); expected a folder of this worker's own, which it can write");
        }
    }
}
