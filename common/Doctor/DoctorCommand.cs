using System.Text.Json;
using Dts.Common.Hosting;

namespace Dts.Common.Doctor;

/// <summary><c>dts-master doctor</c>, <c>dts-worker doctor</c>: checks everything the service needs, and changes nothing.</summary>
public static class DoctorCommand
{
    public const string Name = "doctor";

    public const string Purpose = "Checks everything the service needs and names each fault with the command that fixes it";

    private const string JsonFlag = "--json";
    private const int Broken = 2;

    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(3);

    /// <summary>0 = no errors (there may be warnings), 2 = errors.</summary>
    /// <param name="examine">Reads the settings and returns the checks.</param>
    public static async Task<int> RunAsync(string[] arguments, string defaultFile, Func<SettingsReader, IReadOnlyList<Check>> examine)
    {
        if (arguments.Any(argument => argument is "--help" or "-h" or "help"))
        {
            Console.WriteLine(string.Join('\n', Help(defaultFile, SettingsReader.ListDefaults(reader => examine(reader)))));
            return 0;
        }

        var reader = SettingsReader.Load([.. arguments.Where(argument => argument != JsonFlag)], defaultFile);
        var checks = examine(reader);
        reader.FindUnknown();

        // They run side by side, so the doctor takes as long as the slowest; the findings are printed in order.
        var findings = (await Task.WhenAll(checks.Select(LookAsync))).SelectMany(found => found).ToList();
        Console.WriteLine(arguments.Contains(JsonFlag)
            ? JsonSerializer.Serialize<IReadOnlyList<Finding>>(findings, DoctorJson.Readable.IReadOnlyListFinding)
            : string.Join('\n', findings.Select(Describe)));
        return findings.Any(finding => finding.Level == FindingLevel.Error) ? Broken : 0;
    }

    private static IEnumerable<string> Help(string file, IReadOnlyDictionary<string, string> defaults)
    {
        List<(string Option, string Meaning)> options =
        [
            (JsonFlag, """Print an array of {"level","area","what","remedy"}"""),
            ("--config <file>", $"A file with settings (JSON) [default: {file}, if it exists]"),
            .. defaults.Select(setting => ($"--{setting.Key} <value>", $"A setting of the service [default: {setting.Value}]")),
        ];
        var width = options.Max(option => option.Option.Length);
        return
        [
            "Description:",
            $"  {Purpose}. It changes nothing.",
            "  Exit code 0: no errors, perhaps warnings; 2: errors; 78: wrong settings or arguments.",
            "",
            "Usage:",
            $"  dts-{Path.GetFileNameWithoutExtension(file)} {Name} [options]",
            "",
            "Options:",
            .. options.Select(option => $"  {option.Option.PadRight(width)}  {option.Meaning}"),
        ];
    }

    private static async Task<IReadOnlyList<Finding>> LookAsync(Check check)
    {
        using var inTime = new CancellationTokenSource(AnswerWithin);
        try
        {
            return await Task.Run(() => check.Look(inTime.Token)).WaitAsync(AnswerWithin + TimeSpan.FromMilliseconds(200));
        }
        catch (Exception failure) when (failure is TimeoutException or OperationCanceledException)
        {
            return [Finding.Error(check.Area, $"{check.What}: no answer in {AnswerWithin.TotalSeconds:0} s", check.Remedy)];
        }
        catch (Exception failure) // Whatever it is, the other checks go on.
        {
            return [Finding.Error(check.Area, $"{check.What}: {OneLine(failure.Message)}", check.Remedy)];
        }
    }

    private static string Describe(Finding finding)
    {
        var level = finding.Level switch { FindingLevel.Ok => "ok", FindingLevel.Warning => "warning", _ => "error" };
        var color = finding.Level switch { FindingLevel.Ok => "32", FindingLevel.Warning => "33", _ => "31" };
        var padded = $"{level,-7}";
        var shown = Console.IsOutputRedirected ? padded : $"\e[{color}m{padded}\e[0m";
        var remedy = finding.Remedy.Length > 0 ? $"; fix it with: {OneLine(finding.Remedy)}" : "";
        return $"{shown}  {finding.Area,-10}  {OneLine(finding.What)}{remedy}";
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
