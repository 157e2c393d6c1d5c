using Dts.Common.Hosting;
using Dts.Common.Logs.Mongo;
using Microsoft.Extensions.Logging;

namespace Dts.Common.Logs;

/// <summary>Where the log is: MongoDB if its URI is set, else the embedded store's file, which only processes of one host can share.</summary>
/// <param name="MongoUri">Empty = none.</param>
/// <param name="File">The embedded store's path.</param>
public sealed record LogSettings(string MongoUri, TimeSpan ConnectTimeout, string File)
{
    public static LogSettings Read(SettingsReader settings) => new(
        settings.Secret("mongodbUri"),
        settings.Milliseconds("mongodbConnectTimeout", 5000),
        settings.Text("logFile", "/var/lib/dts/log.db", Path.IsPathRooted, "an absolute path"));

    /// <exception cref="SettingsException">mongodbUri is not a URI.</exception>
    /// <exception cref="StartException">The driver is not installed.</exception>
    public ILogStore Open(ILogger log) => Open(log, readOnly: false);

    /// <summary>Opens the store for reading only: a missing file is an error.</summary>
    public ILogStore OpenToRead(ILogger log) => Open(log, readOnly: true);

    private ILogStore Open(ILogger log, bool readOnly)
    {
        try
        {
            return MongoUri.Length > 0 ? new MongoLogStore(MongoUri, ConnectTimeout, log) : new SqliteLogStore(File, readOnly);
        }
        catch (FormatException wrong)
        {
            throw new SettingsException($"setting mongodbUri: {wrong.Message}");
        }
        catch (DllNotFoundException missing)
        {
            throw new StartException($"setting mongodbUri: {missing.Message}");
        }
    }
}
