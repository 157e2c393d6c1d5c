using System.Numerics;

namespace Dts.Common.Cron;

/// <summary>The values of the fields as bit masks: bit 0 is the least value of a field.</summary>
/// <remarks>
/// A day matches if either day field has it. The parser leaves an unrestricted day field empty unless both are unrestricted.
/// </remarks>
internal sealed class FieldValues
{
    private readonly ulong[] _values = new ulong[9]; // A word per field, three for the years.

    /// <summary>Bit <c>n</c> is <c>L-n</c>: n days before the last.</summary>
    public uint LastDays;

    /// <summary>Bit <c>d</c> is <c>dW</c> for day <c>d + 1</c>.</summary>
    public uint NearestWeekdays;

    /// <summary>Bit <c>n</c> is <c>L-nW</c>; bit 0 is <c>LW</c>.</summary>
    public uint NearestLastWeekdays;

    /// <summary>Bit <c>w</c> is <c>wL</c>, the last such day of the month.</summary>
    public uint LastDaysOfWeek;

    /// <summary>Bit <c>7 (k - 1) + w</c> is <c>w#k</c>.</summary>
    public ulong NthDaysOfWeek;

    public bool IsEveryYear;

    public ulong Seconds => _values[0];

    public ulong Minutes => _values[1];

    public ulong Hours => _values[2];

    public ulong DaysOfMonth => _values[3];

    public ulong Months => _values[4];

    public ulong DaysOfWeek => _values[5];

    public bool IsEveryDay => IsAll(DaysOfMonth, CronField.DayOfMonth) || IsAll(DaysOfWeek, CronField.DayOfWeek);

    private int TimesPerHour => BitOperations.PopCount(Minutes) * BitOperations.PopCount(Seconds);

    /// <summary>The weekdays that are named with <c>#</c> and <paramref name="week"/> + 1.</summary>
    public ulong WeekdaysOfWeek(int week) => (NthDaysOfWeek >> (7 * week)) & 0x7F;

    public void Add(CronField field, int index) => _values[field.Place - 1 + (index >> 6)] |= 1UL << (index & 63);

    public void Clear(CronField field) => _values[field.Place - 1] = 0;

    public bool HasYear(int year) => IsEveryYear || Has(_values[6 + ((year - Calendar.FirstYear) >> 6)], (year - Calendar.FirstYear) & 63);

    /// <summary>The number of times that a day has before a time of day, which may be 24:00.</summary>
    public int CountBefore(int time)
    {
        var (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        var inMinute = Has(Minutes, minute) ? Below(Seconds, second) : 0;
        var inHour = Has(Hours, hour) ? (Below(Minutes, minute) * BitOperations.PopCount(Seconds)) + inMinute : 0;
        return (Below(Hours, hour) * TimesPerHour) + inHour;
    }

    public static bool IsAll(ulong values, CronField field) => values == (1UL << field.Size) - 1;

    public static IEnumerable<int> Bits(ulong values) => values == 0 ? [] : EachBit(values);

    private static IEnumerable<int> EachBit(ulong values)
    {
        for (; values != 0; values &= values - 1)
        {
            yield return BitOperations.TrailingZeroCount(values);
        }
    }

    private static bool Has(ulong values, int bit) => ((values >> bit) & 1) != 0;

    private static int Below(ulong values, int bit) => BitOperations.PopCount(values & ((1UL << bit) - 1));
}

/// <summary>One of the seven fields.</summary>
/// <param name="Place">1 for seconds to 7 for years, in a text of 7 fields.</param>
/// <param name="Name">Its name in messages.</param>
/// <param name="Min">The least value.</param>
/// <param name="Max">The greatest value that a schedule may have.</param>
/// <param name="Size">The number of different values; a range wraps after so many.</param>
/// <param name="Unit">The unit's letter in <c>@every</c>.</param>
/// <param name="Names">Names of the values from <paramref name="Min"/> on; their first three letters suffice.</param>
internal sealed record CronField(int Place, string Name, int Min, int Max, int Size, char Unit, params string[] Names)
{
    public static readonly CronField Second = new(1, "seconds", 0, 59, 60, 's');
    public static readonly CronField Minute = new(2, "minutes", 0, 59, 60, 'm');
    public static readonly CronField Hour = new(3, "hours", 0, 23, 24, 'h');
    public static readonly CronField DayOfMonth = new(4, "days of month", 1, 31, 31, 'd');
    public static readonly CronField Month = new(5, "months", 1, 12, 12, '\0',
        "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER");
    public static readonly CronField DayOfWeek = new(6, "days of week", 0, 7, 7, 'd',
        "SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY");
    public static readonly CronField Year =
        new(7, "years", Calendar.FirstYear, Calendar.LastYear, Calendar.LastYear - Calendar.FirstYear + 1, '\0');

    /// <summary>Where a star or an open step ends: Sunday counts once, as 0.</summary>
    public int Last => Min + Size - 1;

    public bool IsTime => Place <= 3;

    /// <summary>The index of the name that begins with the word's first three letters, or -1.</summary>
    public int FindName(ReadOnlySpan<char> word)
    {
        var i = word.Length < 3 ? -1 : Names.Length - 1;
        while (i >= 0 && !Names[i].StartsWith(word[..3], StringComparison.Ordinal))
        {
            i--;
        }

        return i;
    }
}
