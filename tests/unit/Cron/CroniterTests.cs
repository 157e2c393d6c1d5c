using System.Diagnostics;
using System.Runtime.CompilerServices;
using Dts.Common.Cron;
using Dts.Master.Jobs;
using Xunit;

namespace Dts.Tests.Unit.Cron;

/// <summary>
/// The shared subset against Debian's python3-croniter. Every disagreement must fall into a class that docs/cron.md explains;
/// CRON_CRONITER_CASES and CRON_TEST_SEED choose how many cases, and which.
/// </summary>
public sealed class CroniterTests
{
    private static readonly int Cases = int.Parse(Environment.GetEnvironmentVariable("CRON_CRONITER_CASES") ?? "1500");
    private static readonly int Seed = int.Parse(Environment.GetEnvironmentVariable("CRON_TEST_SEED") ?? "1");

    private static readonly string[] Zones =
        ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Beirut"];

    [Fact]
    public void Croniter_disagrees_only_in_the_explained_classes()
    {
        var random = new Random(Seed);
        var cases = Enumerable.Range(0, Cases).Select(_ => SomeCase(random)).ToList();

        var answers = Ask(cases.Select(c => $"{c.Zone}\t{c.From}\t{c.Text}"));

        var classes = new SortedDictionary<string, int>();
        for (var i = 0; i < cases.Count; i++)
        {
            var ours = Ours(cases[i]);
            if (ours != answers[i])
            {
                var reason = Explain(cases[i], ours, answers[i]);
                Assert.True(reason is not null, $"seed {Seed}: {cases[i]}: ours {ours}, croniter's {answers[i]}");
                classes[reason] = classes.GetValueOrDefault(reason) + 1;
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{Cases} cases, seed {Seed}; " + string.Join("; ", classes.Select(c => $"{c.Key}: {c.Value}")));
    }

    [Fact]
    public void Python_has_the_same_clock_changes()
    {
        string[] zones =
        [
            .. SomeCron.Zones,
            "Africa/Monrovia",
            "America/Nuuk",
            "Asia/Pyongyang",
            "Europe/Istanbul",
            "America/Scoresbysund",
            "EST5EDT",
            "Asia/Jerusalem",
        ];

        var answers = Ask(zones);

        Assert.All(zones.Zip(answers), pair => Assert.Equal(pair.Second, Changes(CronZone.Get(pair.First))));
    }

    private static string Changes(CronZone zone)
    {
        List<string> changes = [];
        var last = int.MaxValue;
        for (var second = 63_072_000L; second < 4_102_444_800; second += 3 * 3600)
        {
            var offset = zone[zone.SegmentAt(second)].Offset;
            if (offset != last)
            {
                changes.Add($"{second}:{offset}");
                last = offset;
            }
        }

        return string.Join(' ', changes);
    }

    private static string Ours(Case c)
    {
        if (!CronExpression.TryParse(c.Text, "", out var expression, out var error))
        {
            return error.Contains("never fires") ? "CroniterBadDateError" : error;
        }

        var times = expression.Upcoming(CronZone.Get(c.Zone), DateTimeOffset.FromUnixTimeSeconds(c.From), 3);
        return times.Count < 3 ? "CroniterBadDateError" : string.Join(' ', times.Select(time => time.ToUnixTimeSeconds()));
    }

    private static string? Explain(Case c, string ours, string theirs)
    {
        var fields = c.Text.Split(' ');
        var (day, weekday) = (fields[2], fields[4]);
        if (weekday.Contains('#') && day != "*")
        {
            return "# beside a day of month";
        }

        if (weekday.Split(',').Any(ReachesSeven))
        {
            return "a step that reaches 7";
        }

        if (day != "*" && weekday != "*" && (IsEveryDay($"0 0 {day} * *") || IsEveryDay($"0 0 * * {weekday}")))
        {
            return "a list of all days";
        }

        if (theirs == "CroniterBadDateError" && weekday != "*" && !CronExpression.TryParse($"0 0 {day} {fields[3]} *", "", out _, out _))
        {
            return "a day that its months never have, beside a weekday";
        }

        var zone = CronZone.Get(c.Zone);
        if (HasDayAfter28(day) && ours.Split(' ').Except(theirs.Split(' ')).Any(time => DayOf(time, zone) is >= 1 and <= 3))
        {
            return "the first days after a short month";
        }

        var last = $"{ours} {theirs}".Split(' ').Max(time => long.TryParse(time, out var seconds) ? seconds : 0);
        return zone.SegmentAt(c.From - 86400) != zone.SegmentAt(last) ? "a change of the clocks on the way or just before" : null;
    }

    private static bool ReachesSeven(string item) =>
        item.Split('/') is [var first, var step]
            && !first.Contains('-')
            && (7 - (first == "*" ? 0 : int.Parse(first))) % int.Parse(step) == 0;

    private static bool HasDayAfter28(string day) =>
        CronExpression.Parse($"0 0 {day} 1 *")
            .GetNextOccurrence(new DateTimeOffset(2026, 1, 28, 1, 0, 0, TimeSpan.Zero), CronZone.Utc) is { Year: 2026 };

    private static int DayOf(string time, CronZone zone) =>
        long.TryParse(time, out var seconds) ? DateTimeOffset.FromUnixTimeSeconds(seconds).ToOffset(zone.UtcOffsetAt(seconds)).Day : 0;

    private static bool IsEveryDay(string text) => CronExpression.Parse(text).Describe(CronZone.Utc).Contains("every day");

    private static List<string> Ask(IEnumerable<string> lines, [CallerFilePath] string here = "")
    {
        Assert.True(File.Exists("/usr/bin/python3"), "the package python3-croniter is missing: apt-get install python3-croniter");
        var start = new ProcessStartInfo("/usr/bin/python3", [Path.Combine(Path.GetDirectoryName(here)!, "ask_croniter.py")])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var python = Process.Start(start)!;
        var errors = python.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var feed = Task.Run(() =>
        {
            foreach (var line in lines)
            {
                python.StandardInput.WriteLine(line);
            }

            python.StandardInput.Close();
        });
        var answers = python.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        python.WaitForExit();
        Assert.True(python.ExitCode == 0, errors.GetAwaiter().GetResult());
        return [.. answers];
    }

    private sealed record Case(string Text, string Zone, long From);

    private static Case SomeCase(Random random)
    {
        var zone = random.Next(3) > 0 ? "UTC" : Zones[random.Next(Zones.Length)];
        var weekday = random.Next(3) > 0 ? "*"
            : random.Next(4) > 0 ? SomeList(random, 0, 6, "SUNMONTUEWEDTHUFRISAT")
            : $"{random.Next(7)}#{random.Next(1, 6)}";
        var day = random.Next(2) > 0 ? "*" : random.Next(6) > 0 ? SomeList(random, 1, 31, "") : "L";
        var month = random.Next(3) > 0 ? "*" : SomeList(random, 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC");
        var text = $"{SomeList(random, 0, 59, "")} {SomeList(random, 0, 23, "")} {day} {month} {weekday}";
        return new Case(text, zone, random.NextInt64(100_000_000, 1_900_000_000));
    }

    private static string SomeList(Random random, int min, int max, string names) =>
        string.Join(',', Enumerable.Range(0, random.Next(5) > 0 ? 1 : random.Next(2, 4)).Select(_ => SomeItem(random, min, max, names)));

    private static string SomeItem(Random random, int min, int max, string names)
    {
        string Name(int value) => names.Length > 0 && random.Next(2) == 0 ? names.Substring((value - min) * 3, 3) : $"{value}";
        var first = random.Next(min, max + 1);
        var last = random.Next(first, max + 1);
        var step = random.Next(2, Math.Min(max - min, 20) + 1);
        return random.Next(7) switch
        {
            0 => "*",
            1 => $"*/{step}",
            2 when last > first => $"{Name(first)}-{Name(last)}",
            3 when last > first => $"{first}-{last}/{step}",
            4 => $"{first}/{step}",
            _ => Name(first),
        };
    }
}
