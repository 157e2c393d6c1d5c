using System.Numerics;

namespace Dts.Common.Cron;

/// <summary>What the two day fields ask for, answered a month at a time as a mask of days.</summary>
/// <param name="DaysOfMonth">Bit <c>d</c> is day <c>d + 1</c>.</param>
/// <param name="LastDays">Bit <c>n</c> is <c>L-n</c>: n days before the last.</param>
/// <param name="NearestWeekdays">Bit <c>d</c> is <c>dW</c> for day <c>d + 1</c>.</param>
/// <param name="NearestLastWeekdays">Bit <c>n</c> is <c>L-nW</c>; bit 0 is <c>LW</c>.</param>
/// <param name="DaysOfWeek">Bit 0 is Sunday.</param>
/// <param name="LastDaysOfWeek">Bit <c>w</c> is <c>wL</c>, the last such day of the month.</param>
/// <param name="NthDaysOfWeek">Bit <c>7 (k - 1) + w</c> is <c>w#k</c>.</param>
/// <remarks>A day is in the set when either field names it. The parser leaves an unrestricted field empty unless both are.</remarks>
internal sealed record DaySet(
    uint DaysOfMonth, uint LastDays, uint NearestWeekdays, uint NearestLastWeekdays, uint DaysOfWeek, uint LastDaysOfWeek, ulong NthDaysOfWeek)
{
    public const uint EveryDayOfMonth = 0x7FFF_FFFF;

    public const uint Week = 0x7F;

    private readonly bool _isPlain = (LastDays | NearestWeekdays | NearestLastWeekdays | LastDaysOfWeek | NthDaysOfWeek) == 0;

    public bool IsEveryDay => DaysOfMonth == EveryDayOfMonth || DaysOfWeek == Week;

    /// <summary>The weekdays, where they alone decide; else 0.</summary>
    public uint WeekdaysOnly => IsEveryDay ? Week : _isPlain && DaysOfMonth == 0 ? DaysOfWeek : 0;

    /// <summary>The days of a month that are in the set, bit 0 being the first of the month.</summary>
    /// <param name="firstDay">The first of the month, in days since 1970-01-01.</param>
    /// <param name="length">The number of days in the month.</param>
    public uint InMonth(int firstDay, int length)
    {
        var days = DaysOfMonth;
        if (DaysOfWeek != 0)
        {
            days |= EachWeek(DaysOfWeek, Calendar.DayOfWeek(firstDay));
        }

        if (!_isPlain)
        {
            days |= Special(Calendar.DayOfWeek(firstDay), length);
        }

        return days & (uint.MaxValue >> (32 - length));
    }

    private uint Special(int weekdayOfFirst, int length)
    {
        var days = EachWeek(LastDaysOfWeek, weekdayOfFirst) & (Week << (length - 7));
        for (var (rest, week) = (NthDaysOfWeek, Week); rest != 0; rest >>= 7, week <<= 7)
        {
            days |= EachWeek((uint)rest & Week, weekdayOfFirst) & week;
        }

        for (var rest = LastDays; rest != 0; rest &= rest - 1)
        {
            days |= DayBit(length - 1 - BitOperations.TrailingZeroCount(rest), length);
        }

        for (var rest = NearestWeekdays; rest != 0; rest &= rest - 1)
        {
            days |= NearestWeekday(BitOperations.TrailingZeroCount(rest), weekdayOfFirst, length);
        }

        for (var rest = NearestLastWeekdays; rest != 0; rest &= rest - 1)
        {
            days |= NearestWeekday(length - 1 - BitOperations.TrailingZeroCount(rest), weekdayOfFirst, length);
        }

        return days;
    }

    /// <summary>Moves a Saturday to Friday and a Sunday to Monday, except out of the month.</summary>
    private static uint NearestWeekday(int day, int weekdayOfFirst, int length) => ((day + weekdayOfFirst) % 7) switch
    {
        _ when DayBit(day, length) == 0 => 0,
        6 => DayBit(day == 0 ? 2 : day - 1, length),
        0 => DayBit(day == length - 1 ? day - 2 : day + 1, length),
        _ => DayBit(day, length),
    };

    private static uint DayBit(int day, int length) => (uint)day < (uint)length ? 1u << day : 0;

    /// <summary>Lays a mask of weekdays over a month that begins with the given weekday.</summary>
    private static uint EachWeek(uint weekdays, int weekdayOfFirst) => ((((weekdays << 7) | weekdays) >> weekdayOfFirst) & Week) * 0x1020_4081u;
}
