using System.Numerics;

namespace Dts.Common.Cron;

/// <summary>The dates that the day, month and year fields name, from 1970 to 2099.</summary>
/// <param name="Days">What the two day fields ask for.</param>
/// <param name="Months">Bit 0 is January.</param>
/// <param name="Years">Bit 0 of the first word is 1970; null is every year.</param>
internal sealed record DateSet(DaySet Days, uint Months, ulong[]? Years)
{
    public const uint EveryMonth = 0b1111_1111_1111;

    /// <summary>The weekdays that make up the whole set, 0 where it needs the calendar: a week is soon looked through.</summary>
    private readonly uint _weekdays = Years is null && Months == EveryMonth ? Days.WeekdaysOnly : 0;

    public bool IsEveryDay => _weekdays == DaySet.Week;

    /// <summary>The first day of the set at <paramref name="day"/> or after it, in days since 1970-01-01, or -1.</summary>
    public int Next(int day)
    {
        if (_weekdays != 0)
        {
            day += BitOperations.TrailingZeroCount(((_weekdays << 7) | _weekdays) >> Calendar.DayOfWeek(day));
            return day < Calendar.EndDay ? day : -1;
        }

        for (var month = Calendar.MonthOf(day); ; month++)
        {
            month += BitOperations.TrailingZeroCount(((Months << 12) | Months) >> (month % 12));
            if (month >= Calendar.EndMonth)
            {
                return -1;
            }

            if (!Includes(month / 12))
            {
                month = (month / 12 * 12) + 11;
                continue;
            }

            var first = Calendar.FirstDayOf(month);
            var days = InMonth(month, first) & (uint.MaxValue << Math.Max(day - first, 0));
            if (days != 0)
            {
                return first + BitOperations.TrailingZeroCount(days);
            }
        }
    }

    /// <summary>How many days of the set lie from <paramref name="from"/> on and before <paramref name="to"/>, counted by the month.</summary>
    public long Count(int from, int to)
    {
        if (IsEveryDay)
        {
            return to - from;
        }

        var count = 0;
        for (var month = Calendar.MonthOf(from); month < Calendar.EndMonth && Calendar.FirstDayOf(month) < to; month++)
        {
            if (((Months >> (month % 12)) & 1) != 0 && Includes(month / 12))
            {
                var first = Calendar.FirstDayOf(month);
                var days = InMonth(month, first) & (uint.MaxValue << Math.Max(from - first, 0));
                count += BitOperations.PopCount(to - first < 32 ? days & ~(uint.MaxValue << (to - first)) : days);
            }
        }

        return count;
    }

    /// <summary>Whether the year field names a year; 0 is 1970.</summary>
    public bool Includes(int year) => Years is null || ((Years[year >> 6] >> (year & 63)) & 1) != 0;

    private uint InMonth(int month, int first) => Days.InMonth(first, Calendar.FirstDayOf(month + 1) - first);
}
