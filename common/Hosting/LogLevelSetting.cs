using Microsoft.Extensions.Logging;

namespace Dts.Common.Hosting;

/// <summary>The least severe lines that are printed.</summary>
public static class LogLevelSetting
{
    public static LogLevel Read(SettingsReader settings) =>
        Parse(settings.Text("logLevel", "information", text => Parse(text) is not null, "debug, information, warning or error"))!.Value;

    private static LogLevel? Parse(string text) => text.ToLowerInvariant() switch
    {
        "debug" => LogLevel.Debug,
        "information" => LogLevel.Information,
        "warning" => LogLevel.Warning,
        "error" => LogLevel.Error,
        _ => null,
    };
}
