namespace Dts.Common.Cron;

/// <summary>One of the seven fields.</summary>
/// <param name="Place">1 for seconds to 7 for years, in a text of 7 fields.</param>
/// <param name="Name">What messages call it.</param>
/// <param name="Min">The least value.</param>
/// <param name="Max">The greatest value that may be written.</param>
/// <param name="Size">How many different values there are; a range that wraps goes on from the least after so many.</param>
/// <param name="Unit">The letter of <c>@every</c> that counts the same thing.</param>
/// <param name="Names">Names for the values from <paramref name="Min"/> on; their first three letters will do.</param>
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
    public static readonly CronField Year = new(7, "years", Calendar.FirstYear, Calendar.LastYear, Calendar.LastYear - Calendar.FirstYear + 1, '\0');

    /// <summary>Where a star or an open step ends: Sunday is 0 there, not 7 too.</summary>
    public int Last => Min + Size - 1;

    public bool IsTime => Place <= 3;

    /// <summary>The name that begins with the word's first three letters, as its place among the names, or -1.</summary>
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
