using Dts.Common.Cron;

namespace Dts.Tests.Unit.Cron;

/// <summary>A field's text beside what it means, said in the plainest way: a question asked of one wall time.</summary>
internal sealed record FieldSpec(string Text, Func<DateTime, bool> Matches, bool Repeats = false, bool IsAny = false);

/// <summary>
/// Seven fields beside their meaning, and the brute-force oracle: it asks about every second (or minute, or day) in turn.
/// </summary>
internal sealed record CronSpec(
    FieldSpec Second, FieldSpec Minute, FieldSpec Hour, FieldSpec Day, FieldSpec Month, FieldSpec Weekday, FieldSpec Year)
{
    public string Text => $"{Second.Text} {Minute.Text} {Hour.Text} {Day.Text} {Month.Text} {Weekday.Text} {Year.Text}";

    public bool HasFixedTimes => !(Second.Repeats || Minute.Repeats || Hour.Repeats);

    public bool Matches(DateTime wall) =>
        Second.Matches(wall) && Minute.Matches(wall) && Hour.Matches(wall) && Month.Matches(wall) && Year.Matches(wall)
        && (Day.IsAny ? Weekday.IsAny || Weekday.Matches(wall) : Day.Matches(wall) || (!Weekday.IsAny && Weekday.Matches(wall)));

    /// <summary>
    /// Real time fires at every instant whose wall time matches. A fixed time fires at the first instant at which the clock on
    /// the wall shows it or has passed it: so a gap's times fire at its end, and a fold's the first time round.
    /// </summary>
    public List<DateTime> Walk(CronZone zone, DateTime fromUtc, DateTime toUtc, TimeSpan step)
    {
        List<DateTime> found = [];
        var start = fromUtc - (step * Math.Ceiling(TimeSpan.FromHours(26) / step));
        var shown = Wall(zone, start);
        for (var utc = start; utc < toUtc; utc += step)
        {
            var wall = Wall(zone, utc);
            if (HasFixedTimes ? MatchesAfter(shown, wall, step) : Matches(wall))
            {
                found.Add(utc);
            }

            shown = wall > shown ? wall : shown;
        }

        found.RemoveAll(utc => utc < fromUtc);
        return found;
    }

    private bool MatchesAfter(DateTime shown, DateTime wall, TimeSpan step)
    {
        for (var passed = shown + step; passed <= wall; passed += step)
        {
            if (Matches(passed))
            {
                return true;
            }
        }

        return false;
    }

    private static DateTime Wall(CronZone zone, DateTime utc) => utc + zone.UtcOffsetAt(new DateTimeOffset(utc).ToUnixTimeSeconds());
}
