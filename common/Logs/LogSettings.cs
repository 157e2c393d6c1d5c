using Dts.Common.Hosting;
using Dts.Common.Logs.Mongo;
using Microsoft.Extensions.Logging;

namespace Dts.Common.Logs;

/// <summary>
/// Where the log is: MongoDB if its URI is set, else the embedded store's file, which only processes of one host can share.
/// </summary>
/// <param name="MongoUri">Empty = none.</param>
/// <param name="File">The embedded store's path.</param>
public sealed record LogSettings(string MongoUri, TimeSpan ConnectTimeout, string File)
{
    public static LogSettings Read(SettingsReader settings) => new(
        settings.Secret("mongodbUri"),
        settings.Milliseconds("mongodbConnectTimeout", 5000),
        settings.Text("logFile", "/var/lib/dts/log.db", Path.IsPathRooted, "an absolute path"));

    /// <exception cref="SettingsException">mongodbUri is no URI.</exception>
    /// <exception cref="StartException">The name of a mongodb+srv URI cannot be looked up now.</exception>
    public ILogStore Open(ILogger log) => Open(log, readOnly: false);

    /// <summary>For who only asks: a file that is missing is not made.</summary>
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
        catch (LogStoreException failure)
        {
            throw new StartException($"setting mongodbUri: {failure.Message}");
        }
    }
}
