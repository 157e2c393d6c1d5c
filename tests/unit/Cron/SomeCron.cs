using Dts.Common.Cron;
using FsCheck;
using FsCheck.Fluent;

namespace Dts.Tests.Unit.Cron;

/// <summary>Random fields, expressions, zones and instants.</summary>
internal static class SomeCron
{
    public static readonly string[] Zones =
    [
        "UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/Sao_Paulo", "America/St_Johns", "America/Caracas",
        "Asia/Beirut", "Asia/Tehran",
        "Asia/Kathmandu", "Asia/Gaza", "Africa/Cairo", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati",
        "Antarctica/Troll",
    ];

    private const string MonthNames = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
    private const string WeekdayNames = "SUNMONTUEWEDTHUFRISAT";

    public static Gen<FieldSpec> Zero(Func<DateTime, int> read) => Gen.Constant(new FieldSpec("0", wall => read(wall) == 0));

    public static Gen<FieldSpec> Seconds => Field(0, 59, wall => wall.Second);

    public static Gen<FieldSpec> Minutes => Field(0, 59, wall => wall.Minute);

    public static Gen<FieldSpec> Hours => Field(0, 23, wall => wall.Hour);

    public static Gen<FieldSpec> Months => Field(1, 12, wall => wall.Month, MonthNames);

    public static Gen<FieldSpec> Years =>
        Gen.Frequency(
            (8, Gen.Constant(new FieldSpec("*", _ => true, IsAny: true))), (1, Field(1970, 2099, wall => wall.Year, wraps: false)));

    public static Gen<FieldSpec> Days => Gen.Frequency((3, AnyDay), (4, Field(1, 31, wall => wall.Day)), (3, List(SpecialDay)));

    public static Gen<FieldSpec> Weekdays =>
        Gen.Frequency((5, AnyDay), (4, Field(0, 6, wall => (int)wall.DayOfWeek, WeekdayNames)), (3, List(SpecialWeekday)));

    public static Gen<CronSpec> Specs(Gen<FieldSpec> seconds, Gen<FieldSpec> minutes, Gen<FieldSpec> hours) =>
        from second in seconds
        from minute in minutes
        from hour in hours
        from day in Days
        from month in Gen.Frequency((2, Gen.Constant(new FieldSpec("*", _ => true, IsAny: true))), (1, Months))
        from weekday in Weekdays
        from year in Years
        select new CronSpec(second, minute, hour, day, month, weekday, year);

    /// <summary>An instant anywhere, or near a change of the zone's clocks.</summary>
    public static Gen<DateTime> Instants(string zoneId)
    {
        var zone = CronZone.Get(zoneId);
        var changes = Enumerable.Range(1, zone.SegmentCount - 1)
            .Select(index => zone[index].Start)
            .Where(start => start > 200_000_000)
            .DefaultIfEmpty(0)
            .ToArray();
        var anywhere = Gen.Choose(2_000_000, 60_000_000).Select(minute => minute * 60L);
        var nearChange = from change in Gen.Elements(changes) from minutes in Gen.Choose(-120, 30) select change + (minutes * 60L);
        return Gen.Frequency((1, anywhere), (changes.Length > 1 ? 3 : 0, nearChange))
            .Select(seconds => DateTime.UnixEpoch.AddSeconds(seconds));
    }

    private static Gen<FieldSpec> AnyDay => Gen.Elements("*", "?").Select(text => new FieldSpec(text, _ => true, IsAny: true));

    private static Gen<FieldSpec> Field(int min, int max, Func<DateTime, int> read, string names = "", bool wraps = true) =>
        List(Gen.Frequency(
            (3, Star(min, max, read)),
            (5, from value in Gen.Choose(min, max)
                from name in Name(value, min, names)
                select new FieldSpec(name, wall => read(wall) == value)),
            (3, Range(min, max, read, names, wraps))));

    private static Gen<string> Name(int value, int min, string names) =>
        names.Length == 0
            ? Gen.Constant($"{value}")
            : Gen.Elements($"{value}", names.Substring((value - min) * 3, 3), names.Substring((value - min) * 3, 3).ToLowerInvariant());

    private static Gen<FieldSpec> Star(int min, int max, Func<DateTime, int> read) =>
        from step in Gen.Choose(1, max - min)
        select step == 1
            ? new FieldSpec("*", _ => true, Repeats: true, IsAny: true)
            : new FieldSpec($"*/{step}", wall => (read(wall) - min) % step == 0, Repeats: step <= max - min);

    private static Gen<FieldSpec> Range(int min, int max, Func<DateTime, int> read, string names, bool wraps) =>
        from a in Gen.Choose(min, max)
        from b in Gen.Choose(min, max)
        let first = wraps ? a : Math.Min(a, b)
        let last = wraps ? b : Math.Max(a, b)
        from firstName in Name(first, min, names)
        from lastName in Name(last, min, names)
        from step in Gen.Choose(1, 7)
        from usedStep in Gen.Elements(1, Math.Min(step, max - min))
        select new FieldSpec(
            usedStep == 1 ? $"{firstName}-{lastName}" : $"{firstName}-{lastName}/{usedStep}",
            wall => InRange(read(wall), first, last, usedStep, min, max),
            Repeats: first != last);

    /// <summary>Counts up from the first value to the last, round the corner where need be.</summary>
    private static bool InRange(int value, int first, int last, int step, int min, int max)
    {
        for (var (at, count) = (first, 0); ; count++)
        {
            if (at == value && count % step == 0)
            {
                return true;
            }

            if (at == last)
            {
                return false;
            }

            at = at == max ? min : at + 1;
        }
    }

    private static Gen<FieldSpec> SpecialDay => Gen.OneOf(
        Gen.Constant(new FieldSpec("L", wall => IsLast(wall))),
        Gen.Constant(new FieldSpec("LW", wall => IsNearestWeekday(wall, LengthOf(wall)))),
        Gen.Choose(0, 30).Select(n => new FieldSpec($"L-{n}", wall => wall.Day == LengthOf(wall) - n)),
        Gen.Choose(0, 30).Select(n => new FieldSpec($"L-{n}W", wall => IsNearestWeekday(wall, LengthOf(wall) - n))),
        Gen.Choose(1, 31).Select(day => new FieldSpec($"{day}W", wall => IsNearestWeekday(wall, day))),
        Gen.Choose(1, 31).Select(day => new FieldSpec($"{day}", wall => wall.Day == day)));

    private static Gen<FieldSpec> SpecialWeekday =>
        from day in Gen.Choose(0, 7)
        from k in Gen.Choose(1, 5)
        from kind in Gen.Choose(0, 2)
        from name in Name(day % 7, 0, WeekdayNames)
        select kind switch
        {
            0 => new FieldSpec($"{name}L", wall => (int)wall.DayOfWeek == day % 7 && wall.Day + 7 > LengthOf(wall)),
            1 => new FieldSpec($"{name}#{k}", wall => (int)wall.DayOfWeek == day % 7 && (wall.Day + 6) / 7 == k),
            _ => new FieldSpec($"{day}", wall => (int)wall.DayOfWeek == day % 7),
        };

    private static Gen<FieldSpec> List(Gen<FieldSpec> item) =>
        from count in Gen.Frequency((6, Gen.Constant(1)), (2, Gen.Constant(2)), (1, Gen.Constant(3)))
        from items in Gen.ListOf(item, count)
        select new FieldSpec(
            string.Join(',', items.Select(i => i.Text)),
            wall => items.Any(i => i.Matches(wall)),
            items.Any(i => i.Repeats),
            items.Any(i => i.IsAny));

    private static int LengthOf(DateTime wall) => DateTime.DaysInMonth(wall.Year, wall.Month);

    private static bool IsLast(DateTime wall) => wall.AddDays(1).Day == 1;

    /// <summary>
    /// Of the weekdays in the month, the one least far away; there is never a tie, for a weekend has its own nearer side.
    /// </summary>
    private static bool IsNearestWeekday(DateTime wall, int day)
    {
        if (day < 1 || day > LengthOf(wall))
        {
            return false;
        }

        var weekdays = Enumerable.Range(1, LengthOf(wall))
            .Where(d => new DateTime(wall.Year, wall.Month, d).DayOfWeek is not (DayOfWeek.Saturday or DayOfWeek.Sunday));
        return wall.Day == weekdays.MinBy(d => Math.Abs(d - day));
    }
}
