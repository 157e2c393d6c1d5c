using System.Globalization;
using Xunit;

namespace Dts.Tests.Unit.Cron;

/// <summary>Why DTS maps the wall clock to instants itself, and gives Cronos no zone.</summary>
public sealed class CronosTests
{
    /// <remarks>If one of these rows fails, Cronos has mended the fault; read docs/cron.md and see what it makes unnecessary.</remarks>
    [Theory]
    [InlineData("30 1 * * *", "Europe/Dublin",     "2027-03-27T12:00Z")]
    [InlineData("30 2 * * *", "Africa/Casablanca", "2027-03-13T12:00Z")]
    [InlineData("0 12 * * *", "Pacific/Apia",      "2011-12-29T12:00Z")]
    public void Given_a_zone_Cronos_can_return_the_instant_that_it_was_asked_about(string text, string zoneId, string from)
    {
        var expression = Cronos.CronExpression.Parse(text);
        var zone = TimeZoneInfo.FindSystemTimeZoneById(zoneId);
        var at = At(from);
        for (var i = 0; i < 3; i++)
        {
            at = expression.GetNextOccurrence(at, zone)!.Value;
        }

        Assert.Equal(at, expression.GetNextOccurrence(at, zone));
        Assert.Equal(at.UtcDateTime, expression.GetNextOccurrence(at.UtcDateTime, zone));
    }

    /// <remarks>Cronos refuses what DTS writes as a list, or means something else; so it is given values only.</remarks>
    [Theory]
    [InlineData("0 9 * * 7/3", "2026-11-22T10:07Z", "2026-11-29T09:00Z")]
    [InlineData("0 0 13 * FRI", "2026-11-22T10:07Z", "2027-08-13T00:00Z")]
    public void Cronos_reads_some_texts_differently(string text, string from, string next) =>
        Assert.Equal(At(next).UtcDateTime, Cronos.CronExpression.Parse(text).GetNextOccurrence(At(from).UtcDateTime));

    [Theory]
    [InlineData("*,5 * * * *")]
    [InlineData("0 0 *,13 * FRI")]
    [InlineData("0 0 1,15,L * *")]
    public void Cronos_refuses_some_lists(string text) => Assert.False(Cronos.CronExpression.TryParse(text, out _));

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
