using System.Numerics;
using System.Text;

namespace Dts.Common.Cron;

/// <summary>The wall times that the fields name, from 1970 to 2099, without zones; Cronos finds them.</summary>
/// <remarks>
/// A wall time is in seconds since 1970-01-01 by the wall clock; Cronos takes it for UTC. Cronos gets the parsed values, not the user's
/// text, so it cannot read that differently. It requires both of its day fields to match and accepts one special day alone, so there
/// is one expression per kind of day, and the earliest result counts. Searches are short: years are checked here, and Cronos is not
/// asked for a day that none of the months has, or for a fifth Friday in the first weeks.
/// </remarks>
internal sealed class WallTimes
{
    private const ulong MonthsOf31 = 0b1010_1101_0101;
    private const ulong February = 0b10;
    private const ulong AnyWeekday = 0b111_1111;

    private static readonly string[] Weeks = ["1-7", "8-14", "15-21", "22-28", "29-31"];

    private readonly (Cronos.CronExpression Expression, ulong Weekdays, int FirstDay)[] _kindsOfDay;

    public WallTimes(FieldValues fields)
    {
        Fields = fields;
        var minutes = $"{List(fields.Seconds, CronField.Second)} {List(fields.Minutes, CronField.Minute)}";
        var hours = List(fields.Hours, CronField.Hour);
        var months = List(fields.Months, CronField.Month);
        _kindsOfDay = [.. KindsOfDay(fields).Select(kind => (
            Cronos.CronExpression.Parse($"{minutes} {hours} {kind.Day} {months} {kind.Weekday}", Cronos.CronFormat.IncludeSeconds),
            kind.Weekdays,
            kind.FirstDay))];
    }

    public FieldValues Fields { get; }

    /// <summary>The earliest wall time at <paramref name="from"/> or later, or <see cref="Schedule.Never"/>.</summary>
    public long Next(long from)
    {
        from = Math.Max(from, 0);
        while (from < Schedule.End && NextInAnyYear(from) is var wall and < Schedule.End)
        {
            var year = Fields.IsEveryYear ? 0 : DateTime.UnixEpoch.AddSeconds(wall).Year;
            if (Fields.HasYear(year))
            {
                return wall;
            }

            while (++year <= Calendar.LastYear && !Fields.HasYear(year))
            {
            }

            from = SecondsOf(new DateTime(year, 1, 1));
        }

        return Schedule.Never;
    }

    /// <summary>The number of wall times from <paramref name="from"/> on and before <paramref name="to"/>, counted day by day.</summary>
    public long Count(long from, long to)
    {
        var count = 0L;
        for (var wall = Next(from); wall < to;)
        {
            var day = wall - (wall % Calendar.SecondsPerDay);
            count += Fields.CountBefore((int)Math.Min(to - day, Calendar.SecondsPerDay)) - Fields.CountBefore((int)Math.Max(from - day, 0));
            wall = Next(day + Calendar.SecondsPerDay);
        }

        return count;
    }

    private long NextInAnyYear(long from)
    {
        var start = DateTime.UnixEpoch.AddTicks(from * TimeSpan.TicksPerSecond);
        var first = DateTime.MaxValue;
        foreach (var (kind, weekdays, firstDay) in _kindsOfDay)
        {
            var at = weekdays == AnyWeekday ? start : Ahead(start, weekdays, firstDay);
            if (kind.GetNextOccurrence(at, inclusive: true) is { } next && next < first)
            {
                first = next;
            }
        }

        return SecondsOf(first);
    }

    /// <summary>
    /// The time itself or, if its day cannot match, the beginning of the first day that can; Cronos would go there day by day.
    /// </summary>
    /// <param name="firstDay">The first of the seven days of the month that count; 0 = all days count.</param>
    private static DateTime Ahead(DateTime time, ulong weekdays, int firstDay)
    {
        if (firstDay > 0)
        {
            var (year, month, day) = DateOnly.FromDateTime(time);
            var ahead = day < firstDay ? firstDay - day : day < firstDay + 7 ? 0 : DateTime.DaysInMonth(year, month) - day + firstDay;
            time = ahead == 0 ? time : time.Date.AddDays(ahead);
        }

        var days = BitOperations.TrailingZeroCount((weekdays | (weekdays << 7)) >> (int)time.DayOfWeek);
        return days == 0 ? time : time.Date.AddDays(days);
    }

    private static long SecondsOf(DateTime time) => (time.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerSecond;

    /// <summary>The two day fields as Cronos takes them, once per kind of day that some month has.</summary>
    private static List<(string Day, string Weekday, ulong Weekdays, int FirstDay)> KindsOfDay(FieldValues fields)
    {
        var longest = (fields.Months & MonthsOf31) != 0 ? 31 : (fields.Months & ~February) != 0 ? 30 : 29;
        var existing = (1UL << longest) - 1;
        var kinds = new List<(string Day, string Weekday, ulong Weekdays, int FirstDay)>(1);
        if ((fields.DaysOfMonth & existing) != 0)
        {
            kinds.Add((List(fields.DaysOfMonth & existing, CronField.DayOfMonth), "*", AnyWeekday, 0));
        }

        if (fields.DaysOfWeek != 0)
        {
            kinds.Add(("*", List(fields.DaysOfWeek, CronField.DayOfWeek), fields.DaysOfWeek, 0));
        }

        kinds.AddRange(FieldValues.Bits(fields.LastDays & existing).Select(before => ($"L-{before}", "*", AnyWeekday, 0)));
        kinds.AddRange(FieldValues.Bits(fields.NearestWeekdays & existing).Select(day => ($"{day + 1}W", "*", AnyWeekday, 0)));
        kinds.AddRange(FieldValues.Bits(fields.NearestLastWeekdays & existing).Select(before => ($"L-{before}W", "*", AnyWeekday, 0)));
        kinds.AddRange(FieldValues.Bits(fields.LastDaysOfWeek).Select(weekday => ("22-31", $"{weekday}L", AnyWeekday, 0)));
        for (var week = 0; week < Weeks.Length; week++)
        {
            if (fields.WeekdaysOfWeek(week) is var weekdays and not 0)
            {
                kinds.Add((Weeks[week], List(weekdays, CronField.DayOfWeek), weekdays, (7 * week) + 1));
            }
        }

        return kinds;
    }

    /// <summary>A field of values and ranges, or a star; empty = no values.</summary>
    private static string List(ulong values, CronField field)
    {
        if (values == 0 || FieldValues.IsAll(values, field))
        {
            return values == 0 ? "" : "*";
        }

        var text = new StringBuilder();
        while (values != 0)
        {
            var first = BitOperations.TrailingZeroCount(values);
            var count = BitOperations.TrailingZeroCount(~(values >> first));
            text.Append(text.Length > 0 ? "," : "").Append(field.Min + first);
            if (count > 1)
            {
                text.Append('-').Append(field.Min + first + count - 1);
            }

            values &= ulong.MaxValue << (first + count);
        }

        return text.ToString();
    }
}
