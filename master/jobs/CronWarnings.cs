using System.Globalization;
using System.Numerics;
using Dts.Common.Cron;
using Calendar = Dts.Common.Cron.Calendar;

namespace Dts.Master.Jobs;

/// <summary>Warns of legal schedules that may surprise the person who wrote them.</summary>
internal static class CronWarnings
{
    private const long Ahead = 366L * Calendar.SecondsPerDay;

    /// <summary>A line each; the clocks' changes are those of the coming year.</summary>
    public static IReadOnlyList<string> Warnings(this CronExpression cron, CronZone zone, DateTimeOffset now) =>
    [
        .. cron.GetNextOccurrence(now, zone) is null ? (string[])["no plan time is left: the job never fires again"] : [],
        .. cron.Schedule is FieldSchedule fields ? OfFields(cron, fields, zone, now.ToUnixTimeSeconds()) : [],
    ];

    private static IEnumerable<string> OfFields(CronExpression cron, FieldSchedule schedule, CronZone zone, long now) =>
    [
        .. OfTimes(cron.Text.Split(' ')),
        .. OfDays(schedule.Times.Fields, cron.Text),
        .. OfClockChanges(schedule, zone, now),
    ];

    private static IEnumerable<string> OfTimes(string[] fields)
    {
        if (fields.Length == 6 && fields[5] is "*" or "?" && CronParser.Parse(string.Join(' ', fields[..5]), "-").Schedule is { } other)
        {
            var reading = CronDescription.Of(other, CronZone.Utc);
            yield return $"6 fields are second first here; a system whose sixth field is a year reads: {reading[..^5]}";
        }

        CronField[] times = fields.Length == 5 ? [CronField.Minute, CronField.Hour] : [CronField.Second, CronField.Minute, CronField.Hour];
        for (var i = 0; i < times.Length && i < fields.Length; i++)
        {
            if (fields[i].StartsWith("*/", StringComparison.Ordinal)
                && int.TryParse(fields[i][2..], NumberStyles.None, CultureInfo.InvariantCulture, out var step)
                && times[i].Size % step != 0)
            {
                var last = times[i].Size / step * step;
                yield return $"{fields[i]} in {times[i].Name} starts again at 0: from {last} to 0 it is only {times[i].Size - last}; "
                    + $"for an even pace write @every {step}{times[i].Unit}";
            }
        }
    }

    private static IEnumerable<string> OfDays(FieldValues days, string text)
    {
        var byMonth = days.DaysOfMonth | days.LastDays | days.NearestWeekdays | days.NearestLastWeekdays;
        var byWeek = days.DaysOfWeek | days.LastDaysOfWeek | days.NthDaysOfWeek;
        if (byMonth != 0 && byWeek != 0)
        {
            yield return "day of month and day of week are both set: the job runs on days that match either"
                + (text.Contains("*/", StringComparison.Ordinal) ? "; a crontab that takes */n for a star asks for both" : "");
        }

        // Bit n of each is a day that only months of more than n days have: L-30 needs 31 days, as 31W does.
        var shortest = byMonth != 0 && byWeek == 0 ? BitOperations.TrailingZeroCount(byMonth) + 1 : 0;
        if (shortest > 28 && FieldValues.Bits(days.Months).Any(month => DateTime.DaysInMonth(1970, month + 1) < shortest))
        {
            yield return $"months without day {shortest} are left out; L is the last day of any month";
        }
    }

    /// <summary>One line for each change of the clocks in the next 366 days that the schedule falls into.</summary>
    private static IEnumerable<string> OfClockChanges(FieldSchedule schedule, CronZone zone, long now)
    {
        if (!schedule.HasFixedTimes && BitOperations.PopCount(schedule.Times.Fields.Hours) == 24)
        {
            yield break; // A regular pace around the clock: everybody expects real time.
        }

        for (var i = zone.SegmentAt(now) + 1; i < zone.SegmentCount && zone[i].Start <= now + Ahead; i++)
        {
            var before = zone[i].Start + zone[i - 1].Offset;
            var after = zone[i].Start + zone[i].Offset;
            var wall = schedule.Times.Next(Math.Min(before, after));
            if (wall >= Math.Max(before, after))
            {
                continue;
            }

            var fate = (schedule.HasFixedTimes, after > before) switch
            {
                (true, true) => $"{CronText.Time(wall)} does not exist and runs at {CronText.Time(after)}",
                (true, false) => $"{CronText.Time(wall)} comes twice and runs the first time only",
                (false, true) => "what is planned between does not run",
                (false, false) => "what is planned between runs twice",
            };
            yield return $"{CronText.Date(before)}: the clocks of {zone} go from {CronText.Time(before)} to {CronText.Time(after)}; {fate}";
        }
    }
}
