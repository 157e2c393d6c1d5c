using Dts.Common.Cron;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Cron;

public sealed class CronExpressionTests
{
    private static readonly CronZone Berlin = CronZone.Get("Europe/Berlin");

    [Theory]
    [InlineData("0 3 * * *",   "2026-11-22 03:00",     false, "2026-11-23 03:00")]
    [InlineData("0 3 * * *",   "2026-11-22 03:00",     true,  "2026-11-22 03:00")]
    [InlineData("0 3 * * *",   "2026-11-22 03:00:00.5", true,  "2026-11-23 03:00")]
    [InlineData("0 3 * * *",   "2026-11-22 02:59:59.999", false, "2026-11-22 03:00")]
    [InlineData("* * * * * *", "2026-11-22 03:00:00.5", false, "2026-11-22 03:00:01")]
    [InlineData("* * * * * *", "2026-11-22 03:00:00.5", true,  "2026-11-22 03:00:01")]
    public void The_next_occurrence_is_after_the_instant_unless_inclusive(string text, string from, bool inclusive, string next) =>
        Assert.Equal(At(next), CronExpression.Parse(text).GetNextOccurrence(At(from), CronZone.Utc, inclusive));

    [Theory]
    [InlineData("0 3 * * *",            "2026-11-22 03:00",       false, "2026-11-21 03:00")]
    [InlineData("0 3 * * *",            "2026-11-22 03:00",       true,  "2026-11-22 03:00")]
    [InlineData("0 3 * * *",            "2026-11-22 03:00:00.5",  false, "2026-11-22 03:00")]
    [InlineData("0 3 * * *",            "2026-11-22 02:59:59.5",  true,  "2026-11-21 03:00")]
    [InlineData("* * * * * *",          "2026-11-22 03:00",       false, "2026-11-22 02:59:59")]
    [InlineData("0 0 29 2 *",           "2026-11-22 03:00",       false, "2024-02-29 00:00")]
    [InlineData("0 0 ? 2 MON#5",        "2026-11-22 03:00",       false, "2016-02-29 00:00")]
    [InlineData("0 0 0 1 1 ? 2030",     "2026-11-22 03:00",       false, null)]
    [InlineData("0 0 0 1 1 ? 1970",     "2099-11-22 03:00",       false, "1970-01-01 00:00")]
    [InlineData("0 0 0 1 1 ? 1970",     "1970-01-01 00:00",       false, null)]
    [InlineData("* * * * *",            "1969-07-20 20:17",       false, null)]
    [InlineData("0 12 * * *",           "2150-01-01 00:00",       false, "2099-12-31 12:00")]
    [InlineData("@every 90s",           "2026-11-22 10:07",       false, "2026-11-22 10:06")]
    [InlineData("@every 90s",           "2026-11-22 10:06",       true,  "2026-11-22 10:06")]
    [InlineData("@at 2026-12-24T18:00Z", "2026-12-24 18:00",       false, null)]
    [InlineData("@at 2026-12-24T18:00Z", "2099-12-24 18:00",       false, "2026-12-24 18:00")]
    public void The_previous_occurrence_is(string text, string from, bool inclusive, string? previous) =>
        Assert.Equal(
            previous is null ? null : At(previous), CronExpression.Parse(text).GetPreviousOccurrence(At(from), CronZone.Utc, inclusive));

    [Theory]
    [InlineData("30 2 * * *",   "2027-03-28T12:00:00+02:00", "2027-03-28T03:00:00+02:00")]
    [InlineData("30 2 * * *",   "2026-10-25T12:00:00+01:00", "2026-10-25T02:30:00+02:00")]
    [InlineData("30 2 * * *",   "2026-10-25T02:31:00+01:00", "2026-10-25T02:30:00+02:00")]
    [InlineData("*/30 2 * * *", "2026-10-25T12:00:00+01:00", "2026-10-25T02:30:00+01:00")]
    [InlineData("*/30 2 * * *", "2026-10-25T02:30:00+01:00", "2026-10-25T02:00:00+01:00")]
    [InlineData("*/30 2 * * *", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+02:00")]
    [InlineData("*/30 2 * * *", "2027-03-28T12:00:00+02:00", "2027-03-27T02:30:00+01:00")]
    public void The_previous_occurrence_in_Berlin_is(string text, string from, string previous) =>
        Assert.Equal(At(previous), CronExpression.Parse(text).GetPreviousOccurrence(At(from), Berlin));

    [Theory]
    // both ends are excluded
    [InlineData("* * * * * *",    "2026-11-15T00:00:00Z",      "2026-11-22T00:00:00Z",      604799)]
    [InlineData("* * * * *",      "2026-11-22T10:00:00Z",      "2026-11-22T10:02:00Z",      1)]
    [InlineData("* * * * *",      "2026-11-22T09:59:59.9Z",    "2026-11-22T10:02:00.1Z",    3)]
    [InlineData("* * * * *",      "2026-11-22T10:00:00Z",      "2026-11-22T10:00:00Z",      0)]
    [InlineData("* * * * *",      "2026-11-22T10:00:00Z",      "2026-11-22T09:00:00Z",      0)]
    // long intervals
    [InlineData("* * * * * *",    "1969-12-31T23:59:59Z",      "2100-01-01T00:00:00Z",      4102444800)]
    [InlineData("0 0 29 2 *",     "1969-12-31T23:59:59Z",      "2100-01-01T00:00:00Z",      32)]
    [InlineData("0 0 ? * FRI#5",  "2026-01-01T00:00:00Z",      "2027-01-01T00:00:00Z",      4)]
    [InlineData("*/10 9-17 * * MON-FRI", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z",    14094)]
    [InlineData("@every 90s",     "2026-11-22T10:00:00Z",      "2026-11-22T11:00:00Z",      39)]
    [InlineData("@at 2026-12-24T18:00:00Z,2027-12-24T18:00:00Z", "2026-11-22T10:00:00Z", "2027-12-24T18:00:00Z", 1)]
    public void The_count_between_two_instants_is(string text, string after, string before, long count) =>
        Assert.Equal(count, CronExpression.Parse(text).CountOccurrences(At(after), At(before), CronZone.Utc));

    [Theory]
    [InlineData("30 2 * * *",       "2027-03-28T00:00:00+01:00", "2027-03-29T00:00:00+02:00", 1)]
    [InlineData("0,30 2 * * *",     "2027-03-28T00:00:00+01:00", "2027-03-29T00:00:00+02:00", 1)]
    [InlineData("0,30 2,3 * * *",   "2027-03-28T00:00:00+01:00", "2027-03-29T00:00:00+02:00", 2)]
    [InlineData("*/30 * * * *",     "2027-03-28T00:00:00+01:00", "2027-03-29T00:00:00+02:00", 45)]
    [InlineData("30 2 * * *",       "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", 1)]
    [InlineData("*/30 2 * * *",     "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", 4)]
    [InlineData("*/30 * * * *",     "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", 49)]
    [InlineData("30 2 * * *",       "2026-01-01T00:00:00+01:00", "2036-01-01T00:00:00+01:00", 3652)]
    public void The_count_in_Berlin_is(string text, string after, string before, long count) =>
        Assert.Equal(count, CronExpression.Parse(text).CountOccurrences(At(after), At(before), Berlin));

    [Theory]
    [InlineData("  0   3 * *   mon-fri ", "0 3 * * MON-FRI")]
    [InlineData("@Daily",                "@daily")]
    [InlineData("@every 5400s",          "@every 1h30m")]
    [InlineData("@every 1w",             "@every 7d")]
    [InlineData("@at 2027-01-01T00:00Z, 2026-12-24T18:00:00+01:00", "@at 2026-12-24T17:00:00Z,2027-01-01T00:00:00Z")]
    public void The_text_is_canonical_and_reads_as_itself(string text, string canonical)
    {
        var expression = CronExpression.Parse(text);

        Assert.Equal(canonical, expression.ToString());
        Assert.Equal(canonical, CronExpression.Parse(canonical).Text);
    }

    [Fact]
    public void Only_H_makes_an_expression_depend_on_the_job()
    {
        Assert.True(CronExpression.Parse("H 3 * * *", "backup").DependsOnHashKey);
        Assert.False(CronExpression.Parse("0 3 * * THU", "backup").DependsOnHashKey);
    }

    [Fact]
    public void H_spreads_jobs_evenly_over_the_hour()
    {
        var perMinute = Enumerable.Range(0, 6000)
            .GroupBy(
                i => CronExpression.Parse("H * * * *", $"job-{i}")
                    .GetNextOccurrence(DateTimeOffset.UnixEpoch, CronZone.Utc, inclusive: true)!.Value.Minute)
            .Select(group => group.Count())
            .ToList();

        Assert.Equal(60, perMinute.Count);
        Assert.All(perMinute, count => Assert.InRange(count, 60, 140)); // 100 each, give or take four sigma
    }

    [Fact]
    public void A_year_that_has_passed_can_be_loaded_but_not_saved()
    {
        var expression = CronExpression.Parse("0 0 12 1 1 ? 2020");

        Assert.Null(expression.GetNextOccurrence(At("2026-11-22 00:00"), CronZone.Utc));
        Assert.Equal(
            $"cronExpr \"{expression.Text}\" never fires from now on; expected an expression that does",
            SaveRules.FindOver(null, Some.Job(cronExpr: expression.Text), CronZone.Utc, At("2026-11-22 00:00")));
    }

    [Fact]
    public void A_schedule_that_falls_only_into_gaps_never_fires()
    {
        var expression = CronExpression.Parse("0 */10 2 28 3 ? 2027");

        Assert.NotNull(expression.GetNextOccurrence(At("2026-11-22 00:00"), CronZone.Utc));
        Assert.Null(expression.GetNextOccurrence(At("2026-11-22 00:00"), Berlin));
    }

    [Fact]
    public void Upcoming_times_carry_the_zones_offset()
    {
        var times = CronExpression.Parse("*/30 2 * * *").Upcoming(Berlin, At("2026-10-25T00:00:00+02:00"), 4);

        Assert.Equal(["02:00 +02:00", "02:30 +02:00", "02:00 +01:00", "02:30 +01:00"], times.Select(time => $"{time:HH:mm zzz}"));
        Assert.Empty(CronExpression.Parse("0 0 0 1 1 ? 2020").Upcoming(Berlin, At("2026-10-25 00:00"), 4));
    }

    [Fact]
    public void Asking_for_an_occurrence_allocates_nothing()
    {
        var expression = CronExpression.Parse("*/7 9-17 LW,15W * FRI#2");
        var from = At("2026-11-22 00:00");
        expression.GetNextOccurrence(from, Berlin);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            from = expression.GetNextOccurrence(from, Berlin)!.Value;
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_zone_is_read_once()
    {
        Assert.Same(CronZone.Get("Asia/Tokyo"), CronZone.Get("Asia/Tokyo"));
        Assert.Same(CronZone.Utc, CronZone.Get("UTC"));
    }

    [Fact]
    public void Every_zone_of_the_system_can_be_read()
    {
        var ids = ZoneNames.List().ToList();

        Assert.True(ids.Count > 400);
        Assert.All(ids, id => Assert.Equal(id, CronZone.Get(id).Id));
    }

    private static DateTimeOffset At(string text) => CronRow.ReadInstant(text, CronZone.Utc);
}
