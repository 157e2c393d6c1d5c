using System.Globalization;
using System.Numerics;
using Dts.Common.Cron;
using Calendar = Dts.Common.Cron.Calendar;

namespace Dts.Master.Jobs;

/// <summary>Describes a schedule in plain English. Two schedules with the same description have the same times.</summary>
/// <remarks>Made from the values, not from the text, so it shows the value that <c>H</c> has.</remarks>
internal static class CronDescription
{
    private const int TimesListedMax = 6;

    private static readonly string[] Weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    private static readonly string[] Ordinals = ["first", "second", "third", "fourth", "fifth"];

    /// <summary>The schedule in one line.</summary>
    public static string Describe(this CronExpression cron, CronZone zone) => Of(cron.Schedule, zone);

    /// <summary>The next plan times, as the zone's clocks show them; fewer if no more are left.</summary>
    public static IReadOnlyList<DateTimeOffset> Upcoming(this CronExpression cron, CronZone zone, DateTimeOffset from, int count)
    {
        List<DateTimeOffset> times = [];
        for (var time = cron.GetNextOccurrence(from, zone);
            time is { } next && times.Count < count;
            time = cron.GetNextOccurrence(next, zone))
        {
            times.Add(next.ToOffset(zone.UtcOffsetAt(next.ToUnixTimeSeconds())));
        }

        return times;
    }

    public static string Of(Schedule schedule, CronZone zone) => schedule switch
    {
        EverySchedule every => $"every {CronText.Duration(every.Period)}, counted from 1970-01-01 00:00 UTC",
        AtSchedule at => $"at {Join(at.Instants.Select(CronText.Instant))}, {(at.Instants.Count == 1 ? "once" : "once each")}",
        FieldSchedule fields => string.Join(' ', Clauses(fields.Times.Fields)) + (zone == CronZone.Utc ? ", UTC" : $", {zone} time"),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    private static IEnumerable<string> Clauses(FieldValues times)
    {
        var isListed = times.CountBefore(Calendar.SecondsPerDay) <= TimesListedMax;
        yield return isListed ? $"at {Join(ListTimes(times).Select(time => CronText.Time(time)))}" : Frequency(times);

        if (FindDates(times) is { } dates)
        {
            yield return $"on {dates}{(times.IsEveryYear ? " every year" : "")}";
        }
        else if (!times.IsEveryDay)
        {
            yield return string.Join(" or ", DayClauses(times));
        }
        else if (isListed)
        {
            yield return "every day";
        }

        if (!FieldValues.IsAll(times.Months, CronField.Month) && FindDates(times) is null)
        {
            yield return $"in {Join(Runs(times.Months, Month))}";
        }

        if (!times.IsEveryYear)
        {
            var years = Enumerable.Range(Calendar.FirstYear, CronField.Year.Size).Where(times.HasYear);
            yield return $"in {Join(Runs([.. years], year => $"{year}"))}";
        }
    }

    private static string Month(int month) => CultureInfo.InvariantCulture.DateTimeFormat.GetMonthName(month + 1);

    /// <summary>The days of a single month: 1 and 15 January. Null = the days are others, or 29 February, which few years have.</summary>
    private static string? FindDates(FieldValues times) => (times.Months, times.DaysOfMonth) != (1UL << 1, 1UL << 28)
        && BitOperations.PopCount(times.Months) == 1
        && !times.IsEveryDay
        && times.DaysOfMonth != 0
        && DayClauses(times).Count() == 1
        ? $"{Join(Runs(times.DaysOfMonth << 1, Number))} {Month(BitOperations.TrailingZeroCount(times.Months))}"
        : null;

    /// <summary>The times of one day, in order.</summary>
    private static IEnumerable<int> ListTimes(FieldValues times) =>
        from hour in FieldValues.Bits(times.Hours)
        from minute in FieldValues.Bits(times.Minutes)
        from second in FieldValues.Bits(times.Seconds)
        select (hour * 3600) + (minute * 60) + second;

    private static string Frequency(FieldValues times)
    {
        var isEveryHour = FieldValues.IsAll(times.Hours, CronField.Hour);
        var hours = isEveryHour ? "" : $" {Hours(times.Hours)}";
        if (BitOperations.PopCount(times.Minutes) == 1 && BitOperations.PopCount(times.Seconds) == 1)
        {
            var first = CronText.Time(ListTimes(times).First());
            var isOnTheHour = first.Length == 5 && first.EndsWith(":00", StringComparison.Ordinal);
            return Step(times.Hours, 24) is > 1 and var everyHours
                ? $"every {everyHours} hours from {first}"
                : (isOnTheHour ? "every hour on the hour" : $"every hour at {first[3..]} past") + hours;
        }

        if (times.Seconds == 1)
        {
            return Every("minute", times.Minutes) + (isEveryHour && Step(times.Minutes, 60) == 0 ? " of every hour" : "") + hours;
        }

        var seconds = Every("second", times.Seconds);
        var minutes = FieldValues.IsAll(times.Minutes, CronField.Minute) ? "" : $" during {Some("minute", times.Minutes)}";
        return seconds + (Step(times.Seconds, 60) == 0 ? " of every minute" : "") + minutes + hours;
    }

    private static string Every(string unit, ulong values) => Step(values, 60) switch
    {
        1 => $"every {unit}",
        > 1 and var step => $"every {step} {unit}s",
        _ => $"at {Some(unit, values)}",
    };

    private static string Hours(ulong hours)
    {
        var starts = hours & ~((hours << 1) | (hours >> 23)); // the hours that follow one that is not in the set
        var first = BitOperations.TrailingZeroCount(starts);
        var last = (first + BitOperations.PopCount(hours) - 1) % 24;
        return BitOperations.PopCount(starts) == 1 ? $"from {first:00}:00 to {last:00}:59" : $"during {Some("hour", hours)}";
    }

    /// <summary>The step between values that are spread evenly over their range, from 0 (hours: from any); 0 = they are not.</summary>
    private static int Step(ulong values, int size)
    {
        var count = BitOperations.PopCount(values);
        var step = size / count;
        var even = 0UL;
        for (var value = size == 24 ? BitOperations.TrailingZeroCount(values) : 0; value < size; value += step)
        {
            even |= 1UL << value;
        }

        return count > 1 && even == values ? step : 0;
    }

    private static IEnumerable<string> DayClauses(FieldValues days)
    {
        const string ofMonth = "of the month";
        if (days.DaysOfMonth != 0)
        {
            yield return $"on {Some("day", days.DaysOfMonth << 1)} {ofMonth}";
        }

        foreach (var before in FieldValues.Bits(days.LastDays))
        {
            yield return before == 0
                ? $"on the last day {ofMonth}"
                : $"on the day {before} {Plural("day", before)} before the last {ofMonth}";
        }

        foreach (var day in FieldValues.Bits(days.NearestWeekdays))
        {
            yield return $"on the weekday nearest day {day + 1} {ofMonth}";
        }

        foreach (var before in FieldValues.Bits(days.NearestLastWeekdays))
        {
            yield return before == 0
                ? $"on the last weekday {ofMonth}"
                : $"on the weekday nearest {before} {Plural("day", before)} before the last {ofMonth}";
        }

        if (days.DaysOfWeek != 0)
        {
            var mondayFirst = (days.DaysOfWeek >> 1) | ((days.DaysOfWeek & 1) << 6);
            yield return $"on {Join(Runs(mondayFirst, day => Weekdays[day]))}";
        }

        foreach (var day in FieldValues.Bits(days.LastDaysOfWeek))
        {
            yield return $"on the last {Weekdays[(day + 6) % 7]} {ofMonth}";
        }

        foreach (var nth in FieldValues.Bits(days.NthDaysOfWeek))
        {
            yield return $"on the {Ordinals[nth / 7]} {Weekdays[(nth + 6) % 7]} {ofMonth}";
        }
    }

    private static string Some(string unit, ulong values) =>
        $"{Plural(unit, BitOperations.PopCount(values))} {Join(Runs(values, Number))}";

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Plural(string unit, int count) => count == 1 ? unit : unit + "s";

    private static List<string> Runs(ulong values, Func<int, string> name) => Runs([.. FieldValues.Bits(values)], name);

    /// <summary>Names the values, three and more in a row as a range.</summary>
    private static List<string> Runs(List<int> values, Func<int, string> name)
    {
        List<string> runs = [];
        for (var i = 0; i < values.Count;)
        {
            var end = i;
            while (end + 1 < values.Count && values[end + 1] == values[end] + 1)
            {
                end++;
            }

            if (end - i < 2)
            {
                end = i;
            }

            runs.Add(end == i ? name(values[i]) : $"{name(values[i])} to {name(values[end])}");
            i = end + 1;
        }

        return runs;
    }

    private static string Join(IEnumerable<string> parts)
    {
        var all = parts.ToList();
        return all.Count == 1 ? all[0] : $"{string.Join(", ", all[..^1])} and {all[^1]}";
    }
}
