using System.Globalization;
using System.Text.RegularExpressions;

namespace Dts.Common.Cron;

/// <summary>
/// The rule at the end of a time zone file, such as <c>CET-1CEST,M3.5.0,M10.5.0/3</c>: it applies after the last listed change.
/// </summary>
internal sealed partial class PosixRule
{
    private static readonly int Epoch = DateOnly.FromDateTime(DateTime.UnixEpoch).DayNumber;

    private readonly int _standardOffset;
    private readonly int _summerOffset;
    private readonly string _summerStart;
    private readonly string _summerEnd;

    private PosixRule(int standardOffset, int summerOffset, string summerStart, string summerEnd) =>
        (_standardOffset, _summerOffset, _summerStart, _summerEnd) = (standardOffset, summerOffset, summerStart, summerEnd);

    /// <summary>The rule in <paramref name="text"/>; null = it is empty or has no summer time.</summary>
    public static PosixRule? Parse(string text)
    {
        var match = Shape().Match(text);
        if (!match.Success)
        {
            return null;
        }

        // POSIX counts offsets westward; summer time is an hour ahead unless it says otherwise.
        var standard = -Seconds(match.Groups["standard"].Value);
        var summer = match.Groups["summer"] is { Length: > 0 } given ? -Seconds(given.Value) : standard + 3600;
        return new PosixRule(standard, summer, match.Groups["start"].Value, match.Groups["end"].Value);
    }

    public IEnumerable<(long Start, int Offset)> ListChanges()
    {
        for (var year = Calendar.FirstYear; year <= Calendar.LastYear; year++)
        {
            yield return (WallTime(_summerStart, year) - _standardOffset, _summerOffset);
            yield return (WallTime(_summerEnd, year) - _summerOffset, _standardOffset);
        }
    }

    /// <summary>
    /// The wall time of a rule's day in a year: <c>Mm.w.d</c> (w = 5 is the last), <c>Jn</c> (no 29 February) or <c>n</c>, then
    /// <c>/time</c>.
    /// </summary>
    private static long WallTime(string rule, int year)
    {
        var parts = rule.Split('/');
        var time = parts.Length > 1 ? Seconds(parts[1]) : 7200;
        return ((long)Day(parts[0], year) * Calendar.SecondsPerDay) + time;
    }

    private static int Day(string rule, int year)
    {
        if (rule[0] == 'M')
        {
            var numbers = rule[1..].Split('.').Select(Number).ToArray();
            var first = new DateOnly(year, numbers[0], 1);
            var day = first.AddDays(((numbers[2] - (int)first.DayOfWeek + 7) % 7) + ((numbers[1] - 1) * 7));
            return day.DayNumber - Epoch - (day.Month == first.Month ? 0 : 7);
        }

        var newYear = new DateOnly(year, 1, 1).DayNumber - Epoch;
        if (rule[0] != 'J')
        {
            return newYear + Number(rule);
        }

        var dayOfYear = Number(rule[1..]) - 1;
        return newYear + dayOfYear + (dayOfYear >= 59 && DateTime.IsLeapYear(year) ? 1 : 0);
    }

    private static int Seconds(string time)
    {
        var parts = time.TrimStart('+', '-').Split(':').Select(Number).ToArray();
        var seconds = (parts[0] * 3600) + (parts.ElementAtOrDefault(1) * 60) + parts.ElementAtOrDefault(2);
        return time[0] == '-' ? -seconds : seconds;
    }

    private static int Number(string text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    [GeneratedRegex(
        @"^(?:[A-Za-z]+|<[^>]+>)(?<standard>[-+]?[\d:]+)(?:[A-Za-z]+|<[^>]+>)(?<summer>[-+]?[\d:]+)?,(?<start>[^,]+),(?<end>[^,]+)$")]
    private static partial Regex Shape();
}
