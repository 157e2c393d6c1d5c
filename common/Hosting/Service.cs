using System.Reflection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Dts.Common.Hosting;

/// <summary>What both executables do alike at their start.</summary>
public static class Service
{
    public static string Version { get; } =
        Assembly.GetEntryAssembly()?.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";

    /// <summary>What runs this program once more, with these arguments.</summary>
    public static IReadOnlyList<string> Invocation(params string[] arguments)
    {
        var program = Environment.ProcessPath!;
        return Path.GetFileNameWithoutExtension(program) == "dotnet" ? [program, Environment.GetCommandLineArgs()[0], .. arguments] : [program, .. arguments];
    }

    /// <summary>Runs the service. A wrong setting, or something else that only the operator can mend, is one line and its exit code.</summary>
    public static async Task<int> RunAsync(Func<Task<int>> service)
    {
        try
        {
            return await service();
        }
        catch (SettingsException wrong)
        {
            await Console.Error.WriteLineAsync(wrong.Message);
            return SettingsException.ExitCode;
        }
    }

    /// <summary>Opens the log and says what starts with which settings; call it when all settings have been read.</summary>
    /// <remarks>Lines for the journal (severity prefix, no time, for it has its own) where it reads us, else with the time in UTC.</remarks>
    public static ILoggerFactory CreateLoggers(SettingsReader settings, string service, out ILogger log)
    {
        var unknown = settings.FindUnknown();
        var loggers = LoggerFactory.Create(Configure);
        log = loggers.CreateLogger(service);
        log.Starting(service, Version, settings.Effective);
        foreach (var setting in unknown)
        {
            log.UnknownSetting(setting);
        }

        return loggers;
    }

    private static void Configure(ILoggingBuilder logging)
    {
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // What it says, we say in one line.
        if (Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not null)
        {
            logging.AddSystemdConsole();
        }
        else
        {
            logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "HH:mm:ss.fff'Z' ";
                console.ColorBehavior = LoggerColorBehavior.Disabled;
            });
        }
    }
}
