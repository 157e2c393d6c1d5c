using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>How quick the console is in a browser, by <c>make console-speed</c>. <c>make bench ARGS="console 10000 1000000"</c></summary>
internal static partial class ConsoleFigures
{
    private const int Rounds = 3;

    // What the test prints, and what each figure of it should be.
    private static readonly (string Line, string Name, Bound? Target)[] Known =
    [
        ("cold, ", "first rows of Now, Jobs or Runs, nothing cached, ms", Bound.AtMost(1000)),
        ("page to page", "from page to page, to the rows of the next, ms", Bound.AtMost(300)),
        ("a letter", "a letter in the filter, to its rows, ms", Bound.AtMost(100)),
        ("scrolling", "scrolling through 1,300 rows: longest frame, ms", null),
        ("memory", "memory of the page after all that, MB", Bound.AtMost(60)),
    ];

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        var (jobs, runs) = (effort.Argument(0, 10_000, 100), effort.Argument(1, 1_000_000, 1_000));
        var lines = new List<string>();
        for (var round = 0; round < effort.Of(Rounds, 1); round++)
        {
            lines.AddRange(await RunAsync(jobs, runs));
        }

        return new Findings(
            [.. Known.Select(known => new Figure(known.Name, ReadNumbers(lines.Where(Begins(known.Line)))) { Target = known.Target })],
            $"""
            Chromium, a master, one worker, etcd and the embedded log with {jobs:N0} jobs and {runs:N0} runs on the same processors. A
            letter waits 40 ms for the next one. Tasks above 50 ms while scrolling:
            {string.Join("; ", lines.Where(Begins("scrolling")).Select(LongTasks))}.
            """);

        static Func<string, bool> Begins(string text) => line => line.StartsWith(text, StringComparison.Ordinal);

        static string LongTasks(string line) => line.Split("50 ms: ")[^1].Split(';')[0];
    }

    private static async Task<string[]> RunAsync(int jobs, int runs)
    {
        string[] arguments = ["-s", "-C", Tool.InRepository("."), "console-speed", $"JOBS={jobs}", $"RUNS={runs}"];
        using var make = Process.Start(new ProcessStartInfo("make", arguments) { RedirectStandardOutput = true })!;
        var output = await make.StandardOutput.ReadToEndAsync();
        await make.WaitForExitAsync();
        return make.ExitCode == 0
            ? [.. output.Split('\n').Select(line => line.Trim())]
            : throw new InvalidOperationException($"make console-speed: {output}");
    }

    /// <summary>The last number of a line about scrolling, all numbers with a unit of any other.</summary>
    private static Series ReadNumbers(IEnumerable<string> lines) => Series.Of(
        lines.SelectMany(line => Numbers().Matches(line.Split("longest frame")[^1]))
            .Select(number => double.Parse(number.Groups[1].Value, CultureInfo.InvariantCulture)));

    [GeneratedRegex(@"([\d.]+) (?:ms|MB)")]
    private static partial Regex Numbers();
}
