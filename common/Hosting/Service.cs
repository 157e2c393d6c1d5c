using System.Reflection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Dts.Common.Hosting;

/// <summary>The start of both executables.</summary>
public static class Service
{
    public static string Version { get; } =
        Assembly.GetEntryAssembly()?.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";

    /// <summary>Answers --version and --help. Returns the exit code; null = the arguments ask for something else.</summary>
    /// <param name="others">Lines of help for its other commands.</param>
    public static int? Answer(string[] arguments, string service, string purpose, IEnumerable<string> others)
    {
        switch (arguments)
        {
            case ["--version"]:
                Console.WriteLine($"{service} {Version}");
                return 0;
            case ["--help" or "-h" or "help"]:
                string[] lines =
                [
                    $"{service} {Version}: {purpose}",
                    $"{service} [--config FILE] [--SETTING VALUE ...]    the service",
                    $"{service} doctor [--json] [--config FILE]          checks everything it needs, and changes nothing",
                    .. others,
                    "Settings come from the file (JSON), the environment (DTS_SETTING) and the arguments; the last one wins. "
                        + "A wrong name lists them all.",
                ];
                Console.WriteLine(string.Join('\n', lines));
                return 0;
            default:
                return null;
        }
    }

    /// <summary>
    /// Hides environment and memory from other processes of this user, and new files (0600, folders 0700) from other users, because all of
    /// them may hold secrets. Only a program's first line calls it: it changes the whole process.
    /// </summary>
    public static void HideFromCommands()
    {
        Libc.HideFromOthers();
        Libc.SetFileModeMask(0b000_111_111);
    }

    /// <summary>
    /// Runs the service. A wrong setting, or another fault that ends the start, is printed as one line and has its own exit code.
    /// </summary>
    public static async Task<int> RunAsync(Func<Task<int>> service)
    {
        Libc.BoundNativeMemory();
        try
        {
            return await service();
        }
        catch (SettingsException wrong)
        {
            await Console.Error.WriteLineAsync(wrong.Message);
            return SettingsException.ExitCode;
        }
        catch (StartException failure)
        {
            await Console.Error.WriteLineAsync(failure.Message);
            return StartException.ExitCode;
        }
    }

    /// <summary>Opens the log and logs version and settings; call it when all settings have been read.</summary>
    /// <remarks>
    /// Where journald reads our output: entries with fields. Where JOURNAL_STREAM is set but is not our output: lines with a severity
    /// prefix. Elsewhere: lines with the time in UTC.
    /// </remarks>
    /// <param name="level">The least severe level that is printed; called for each line, because a reload may change it.</param>
    /// <param name="worker">The id of this worker; empty = this is a master.</param>
    public static ILoggerFactory CreateLoggers(
        SettingsReader settings, string service, Func<LogLevel> level, out ILogger log, string worker = "")
    {
        var unknown = settings.FindUnknown();
        var loggers = LoggerFactory.Create(logging => Configure(logging, service, level, worker));
        log = loggers.CreateLogger(service);
        log.Starting(service, Version, settings.Effective);
        foreach (var setting in unknown)
        {
            log.UnknownSetting(setting);
        }

        foreach (var secret in settings.Exposed)
        {
            log.SecretExposed(secret);
        }

        return loggers;
    }

    private static void Configure(ILoggingBuilder logging, string service, Func<LogLevel> level, string worker)
    {
        logging.SetMinimumLevel(LogLevel.Trace).AddFilter((_, lineLevel) => lineLevel >= level());
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // We log the same in one line.
        var journalStream = Environment.GetEnvironmentVariable("JOURNAL_STREAM");
        if (Journal.ReadsUs(journalStream))
        {
            var fallback = LoggerFactory.Create(console => console.SetMinimumLevel(LogLevel.Trace).AddSystemdConsole());
            logging.AddProvider(new Journal(Journal.SocketPath, service, worker, fallback));
        }
        else if (journalStream is not null)
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

/// <summary>The setting for the least severe level that is printed.</summary>
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
