using Dts.Common.Hosting;

namespace Dts.Common.Logs;

/// <summary>
/// The settings of the log store: MongoDB if its URI is set, else an embedded file, which only processes of one host can share.
/// </summary>
/// <param name="MongoUri">Empty = none.</param>
/// <param name="File">The embedded store's path.</param>
public sealed record LogSettings(string MongoUri, TimeSpan ConnectTimeout, string File)
{
    public static LogSettings Read(SettingsReader settings) => new(
        settings.Secret("mongodbUri"),
        settings.Milliseconds("mongodbConnectTimeout", 5000),
        settings.Text("logFile", "/var/lib/dts/log.db", Path.IsPathRooted, "an absolute path"));

    /// <param name="mongo">Opens the log of a URI.</param>
    /// <param name="sqlite">Opens that of a file.</param>
    public T Open<T>(Func<string, T> mongo, Func<string, T> sqlite)
    {
        try
        {
            return MongoUri.Length > 0 ? mongo(MongoUri) : sqlite(File);
        }
        catch (FormatException wrong)
        {
            throw new SettingsException($"setting mongodbUri: {wrong.Message}");
        }
        catch (LogStoreException failure)
        {
            throw new StartException($"setting mongodbUri: {failure.Message}");
        }
    }
}
