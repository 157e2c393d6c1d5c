using Dts.Common.Hosting;

namespace Dts.Common.Logs;

/// <summary>The settings that both services need to reach the log store.</summary>
public static class LogSettings
{
    /// <summary>Reads where the log is: the path of the embedded store's file.</summary>
    public static string ReadPath(SettingsReader settings)
    {
        settings.Milliseconds("mongodbConnectTimeout", 5000);
        if (settings.Secret("mongodbUri").Length > 0)
        {
            throw settings.Wrong("mongodbUri", "***", "no value: MongoDB is not supported yet; the log is the file that logFile names");
        }

        return settings.Text("logFile", "/var/lib/dts/log.db", path => Path.IsPathRooted(path), "an absolute path");
    }
}
