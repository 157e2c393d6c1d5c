using System.Reflection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Dts.Common.Hosting;

/// <summary>What both executables do alike at their start.</summary>
public static class Service
{
    public static string Version { get; } =
        Assembly.GetEntryAssembly()?.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";

    /// <summary>Answers what is only asked: --version and --help. The exit code; null = it is to run.</summary>
    /// <param name="others">Lines for what else it can do.</param>
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
                    $"{service} doctor [--json] [--config FILE]          looks at all that it needs, and changes nothing",
                    .. others,
                    "Settings are in the file (JSON), as DTS_SETTING in the environment, or arguments; the last one wins. "
                        + "a wrong name lists them all.",
                ];
                Console.WriteLine(string.Join('\n', lines));
                return 0;
            default:
                return null;
        }
    }

    /// <summary>
    /// Hides environment and memory from other processes of this user, and new files (0600, folders 0700) from other users: all of them may
    /// hold secrets. A program calls it first, and nothing else does: it changes the whole process.
    /// </summary>
    public static void HideFromCommands()
    {
        Libc.HideFromOthers();
        Libc.SetFileModeMask(0b000_111_111);
    }

    /// <summary>
    /// Runs the service. A wrong setting, or something else that only the operator can mend, is one line and its exit code.
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

    /// <summary>Opens the log and says what starts with which settings; call it when all settings have been read.</summary>
    /// <remarks>
    /// Entries with fields where journald reads us; lines with a severity prefix and no time where it only seems to; else lines with the
    /// time in UTC.
    /// </remarks>
    /// <param name="level">The least severe lines that are printed; asked for each line, so that it may change.</param>
    /// <param name="worker">Who we are, if we are a worker.</param>
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
        logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // What it says, we say in one line.
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
