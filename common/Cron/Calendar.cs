namespace Dts.Common.Cron;

/// <summary>The calendar from 1970 to 2099: days count from 1970-01-01, months from January 1970, both from 0.</summary>
internal static class Calendar
{
    public const int FirstYear = 1970;
    public const int LastYear = 2099;
    public const int EndDay = 47482; // 2100-01-01
    public const int EndMonth = (LastYear - FirstYear + 1) * 12;
    public const int SecondsPerDay = 86400;

    private static readonly int[] FirstDays =
        [.. Enumerable.Range(0, EndMonth + 1).Select(month => new DateOnly(FirstYear + (month / 12), (month % 12) + 1, 1).DayNumber - DateOnly.FromDateTime(DateTime.UnixEpoch).DayNumber)];

    /// <summary>The first day of a month; also of the one after the last.</summary>
    public static int FirstDayOf(int month) => FirstDays[month];

    /// <summary>The month of a day.</summary>
    public static int MonthOf(int day)
    {
        // A month has 30.4375 days on average, as every fourth year is a leap year here. Told so, it comes out right or one too early.
        var month = (int)(((long)day * 2_204_807) >> 26);
        return FirstDays[month + 1] <= day ? month + 1 : month;
    }

    /// <summary>0 is Sunday.</summary>
    public static int DayOfWeek(int day) => (int)((uint)(day + 4) % 7);
}
