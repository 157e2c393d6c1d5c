using System.Diagnostics;
using Dts.Common.Cron;
using Xunit;

namespace Dts.Tests.Unit.Cron;

/// <summary>Random and mutated texts; CRON_FUZZ_CASES and CRON_TEST_SEED choose how many, and which.</summary>
public sealed class CronFuzzTests
{
    private const string Alphabet = "0123456789*/-,?LW#H()@ \tSUNMONTUEWEDTHUFRISATJANFEBMARAPRevryath:.TZ+|\u00e9\u0663\ud83d\0\n";

    /// <summary>What the slowest legal expression may take on a slow machine in a Debug build; the benchmark has the true figure.</summary>
    private static readonly TimeSpan Bound = TimeSpan.FromMicroseconds(200);

    private static readonly TimeSpan Suspicious = TimeSpan.FromMicroseconds(10);

    private static readonly int Cases = int.Parse(Environment.GetEnvironmentVariable("CRON_FUZZ_CASES") ?? "200000");
    private static readonly int Seed = int.Parse(Environment.GetEnvironmentVariable("CRON_TEST_SEED") ?? $"{Environment.TickCount}");

    private static readonly string[] Seeds =
    [
        "*/5 9-17 * * MON-FRI", "0 0 12 LW,15W * FRIL", "H H(0-7) * * *", "H/15 * * * *", "0 0 0 29 2 ? 2028-2099/4", "0 0 L-3 1,7 5#5",
        "@every 1h30m", "@daily",
        "@at 2026-12-24T18:00:00Z,2027-01-01T00:00:00+01:00", "59-1/2 22-2 28-3 NOV-FEB FRI-MON", "* * 29 2 MON#5",
        "*/59 * 31 * * SUN#5 2099",
    ];

    [Fact]
    public void Any_text_is_parsed_or_refused()
    {
        var random = new Random(Seed);
        var zones = SomeCron.Zones.Select(CronZone.Get).ToArray();
        var slowest = (Time: TimeSpan.Zero, Text: "");
        var accepted = 0;
        for (var i = 0; i < Cases; i++)
        {
            var text = random.Next(10) == 0 ? RandomText(random) : Mutate(random, Seeds[random.Next(Seeds.Length)]);
            try
            {
                if (Evaluate(text, zones[random.Next(zones.Length)], random) is { } time)
                {
                    accepted++;
                    slowest = time > slowest.Time ? (time, text) : slowest;
                }
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException(
                    $"seed {Seed}, case {i}: {string.Join(' ', text.Select(c => (int)c))} \"{text}\"", exception);
            }
        }

        Assert.True(accepted > Cases / 100, $"seed {Seed}: only {accepted} texts were legal");
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{Cases} texts, seed {Seed}: {accepted} legal, the slowest took {slowest.Time.TotalMicroseconds} µs: {slowest.Text}");
    }

    /// <summary>Null when the text is refused, else how long the next occurrence took.</summary>
    private static TimeSpan? Evaluate(string text, CronZone zone, Random random)
    {
        if (!CronExpression.TryParse(text, "job", out var expression, out var error))
        {
            Assert.True(error.Length > 0 && !error.Any(c => char.IsControl(c) || char.IsSurrogate(c)), $"\"{error}\" is not one line");
            return null;
        }

        Assert.Equal(expression.Text, CronExpression.Parse(expression.Text, "job").Text);
        var from = DateTimeOffset.FromUnixTimeSeconds(random.NextInt64(-10_000_000, 4_110_000_000));
        var time = TimeOf(expression, from, zone);
        for (var retry = 0; retry < 8 && time > Suspicious; retry++)
        {
            var again = TimeOf(expression, from, zone); // it is not at fault when the compiler, the collector or a neighbour took the core
            time = again < time ? again : time;
        }

        Assert.True(time < Bound, $"took {time.TotalMicroseconds} µs");
        if (expression.GetNextOccurrence(from, zone) is { } next)
        {
            Assert.True(next > from);
            Assert.Equal(next, expression.GetNextOccurrence(next, zone, inclusive: true));
            Assert.Equal(next, expression.GetPreviousOccurrence(next, zone, inclusive: true));
            Assert.Equal(0, expression.CountOccurrences(from, next, zone));
        }

        return time;
    }

    private static TimeSpan TimeOf(CronExpression expression, DateTimeOffset from, CronZone zone)
    {
        var start = Stopwatch.GetTimestamp();
        expression.GetNextOccurrence(from, zone);
        return Stopwatch.GetElapsedTime(start);
    }

    private static string RandomText(Random random) =>
        string.Create(random.Next(40), random, static (text, random) =>
        {
            for (var i = 0; i < text.Length; i++)
            {
                text[i] = random.Next(50) == 0 ? (char)random.Next(0x10000) : Alphabet[random.Next(Alphabet.Length)];
            }
        });

    private static string Mutate(Random random, string text)
    {
        for (var count = random.Next(1, 3); count > 0; count--)
        {
            var at = random.Next(text.Length + 1);
            var rest = text[at..];
            text = text[..at] + random.Next(4) switch
            {
                0 when rest.Length > 0 => rest[1..],
                1 => Alphabet[random.Next(Alphabet.Length)] + rest,
                2 when rest.Length > 0 => random.Next(100) + rest[1..],
                _ => Seeds[random.Next(Seeds.Length)] is var other ? other[random.Next(other.Length)..] : rest,
            };
        }

        return text;
    }
}
