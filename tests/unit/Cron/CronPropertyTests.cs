using Dts.Common.Cron;
using Dts.Master.Jobs;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Dts.Tests.Unit.Cron;

/// <summary>Random expressions, zones and instants against the oracle; CRON_TEST_SCALE multiplies the number of cases.</summary>
public sealed class CronPropertyTests
{
    private const int BackwardMax = 40;

    private static readonly int Scale = int.Parse(Environment.GetEnvironmentVariable("CRON_TEST_SCALE") ?? "1");

    [Fact]
    public void Every_second_of_two_hours_is_as_the_oracle_says() =>
        Check(250, SomeCron.Specs(SomeCron.Seconds, SomeCron.Minutes, SomeCron.Hours), TimeSpan.FromHours(2.2), TimeSpan.FromSeconds(1));

    [Fact]
    public void Every_minute_of_a_week_is_as_the_oracle_says() =>
        Check(
            150,
            SomeCron.Specs(SomeCron.Zero(wall => wall.Second), SomeCron.Minutes, SomeCron.Hours),
            TimeSpan.FromDays(7),
            TimeSpan.FromMinutes(1));

    [Fact]
    public void Every_day_of_eighty_years_is_as_the_oracle_says() =>
        Check(
            80,
            SomeCron.Specs(SomeCron.Zero(wall => wall.Second), SomeCron.Zero(wall => wall.Minute), SomeCron.Zero(wall => wall.Hour)),
            TimeSpan.FromDays(365 * 80),
            TimeSpan.FromDays(1),
            "UTC");

    [Fact]
    public void One_description_means_one_schedule()
    {
        var texts = SomeCron.Specs(SomeCron.Seconds, SomeCron.Minutes, SomeCron.Hours).Select(spec => spec.Text);
        var byDescription = new Dictionary<string, CronExpression>();
        FsCheck.Check.One(Config.QuickThrowOnFailure.WithMaxTest(4000 * Scale), Prop.ForAll(texts.ToArbitrary(), text =>
        {
            if (CronExpression.TryParse(text, "", out var expression, out _)
                && !byDescription.TryAdd(expression.Describe(CronZone.Utc), expression))
            {
                var from = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
                var other = byDescription[expression.Describe(CronZone.Utc)];
                Assert.Equal(other.Upcoming(CronZone.Utc, from, 200), expression.Upcoming(CronZone.Utc, from, 200));
            }
        }));
    }

    [Fact]
    public void The_canonical_text_reads_as_the_same_schedule()
    {
        var specs = SomeCron.Specs(SomeCron.Seconds, SomeCron.Minutes, SomeCron.Hours);
        FsCheck.Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000 * Scale), Prop.ForAll(specs.ToArbitrary(), spec =>
        {
            if (CronExpression.TryParse($" {spec.Text.ToLowerInvariant()} ", "", out var expression, out _))
            {
                var again = CronExpression.Parse(expression.ToString());
                Assert.Equal(expression.Text, again.Text);
                Assert.Equal(expression.Describe(CronZone.Utc), again.Describe(CronZone.Utc));
            }
        }));
    }

    private static void Check(int count, Gen<CronSpec> specs, TimeSpan window, TimeSpan step, string? onlyZone = null)
    {
        var cases =
            from spec in specs
            from zone in onlyZone is null ? Gen.Elements(SomeCron.Zones) : Gen.Constant(onlyZone)
            from instant in SomeCron.Instants(zone)
            select (spec.Text, Zone: zone, From: step.Days == 1 ? instant.Date : instant, Spec: spec);
        FsCheck.Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(count * Scale),
            Prop.ForAll(cases.ToArbitrary(), c => AgreesWithOracle(c.Spec, c.Zone, c.From, c.From + window, step)));
    }

    private static void AgreesWithOracle(CronSpec spec, string zoneId, DateTime from, DateTime to, TimeSpan step)
    {
        if (!CronExpression.TryParse(spec.Text, "", out var expression, out var error))
        {
            Assert.Contains("never fires", error);
            Assert.Empty(spec.Walk(CronZone.Utc, DateTime.UnixEpoch, DateTime.UnixEpoch.AddDays(Calendar.EndDay), TimeSpan.FromDays(1)));
            return;
        }

        var zone = CronZone.Get(zoneId);
        to = to.Year > Calendar.LastYear ? new DateTime(2099, 12, 31, 0, 0, 0, DateTimeKind.Utc) : to;
        var expected = spec.Walk(zone, from, to, step);

        Assert.Equal(expected, Forwards(expression, zone, from, to));
        Assert.Equal(expected.TakeLast(BackwardMax), Backwards(expression, zone, from, to));
        Assert.Equal(expected.Count, expression.CountOccurrences(from.AddTicks(-1), to, zone));
    }

    private static List<DateTime> Forwards(CronExpression expression, CronZone zone, DateTime from, DateTime to)
    {
        List<DateTime> found = [];
        for (var time = expression.GetNextOccurrence(from, zone, inclusive: true);
            time?.UtcDateTime < to;
            time = expression.GetNextOccurrence(time.Value, zone))
        {
            found.Add(time.Value.UtcDateTime);
        }

        return found;
    }

    private static List<DateTime> Backwards(CronExpression expression, CronZone zone, DateTime from, DateTime to)
    {
        List<DateTime> found = [];
        for (var time = expression.GetPreviousOccurrence(to, zone);
            time?.UtcDateTime >= from && found.Count < BackwardMax;
            time = expression.GetPreviousOccurrence(time.Value, zone))
        {
            found.Add(time.Value.UtcDateTime);
        }

        found.Reverse();
        return found;
    }
}
