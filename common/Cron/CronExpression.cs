using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Dts.Common.Cron;

/// <summary>A schedule in the dialect of docs/cron.md.</summary>
/// <remarks>
/// Immutable, so thread-safe; asking for an occurrence allocates nothing. Plan times are whole seconds, from 1970 to 2099.
/// An expression that can never fire in any year is refused by <see cref="Parse"/>. One whose last year has merely passed
/// can still be loaded and has no next occurrence.
/// </remarks>
public sealed class CronExpression
{
    private CronExpression(string text, Schedule schedule, bool dependsOnHashKey) =>
        (Text, Schedule, DependsOnHashKey) = (text, schedule, dependsOnHashKey);

    /// <summary>The canonical text: names in upper case, @names in lower case, one space between fields.</summary>
    public string Text { get; }

    /// <summary>Whether <c>H</c> makes the times depend on the job's name. If not, jobs with equal text can share one expression.</summary>
    public bool DependsOnHashKey { get; }

    internal Schedule Schedule { get; }

    /// <param name="text">5, 6 or 7 fields, or a name that begins with @.</param>
    /// <param name="hashKey">The job's name, from which <c>H</c> takes its values.</param>
    /// <exception cref="CronFormatException">The text is not a schedule; the message says where, why, and what was probably
    /// meant.</exception>
    public static CronExpression Parse(string text, string hashKey = "") =>
        TryParse(text, hashKey, out var expression, out var error) ? expression : throw new CronFormatException(error);

    public static bool TryParse(
        string text, string hashKey, [NotNullWhen(true)] out CronExpression? expression, [NotNullWhen(false)] out string? error)
    {
        var result = CronParser.Parse(text, hashKey);
        (expression, error) = result.Schedule is { } schedule
            ? (new CronExpression(result.Text, schedule, result.IsHashed), (string?)null)
            : (null, result.Error);
        return expression is not null;
    }

    /// <summary>The first plan time after <paramref name="from"/>, in UTC; null when none is left.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public DateTimeOffset? GetNextOccurrence(DateTimeOffset from, CronZone zone, bool inclusive = false) =>
        ToInstant(Schedule.Next(inclusive ? Ceiling(from) : from.ToUnixTimeSeconds() + 1, zone));

    /// <summary>The last plan time before <paramref name="from"/>, in UTC; null when there was none.</summary>
    public DateTimeOffset? GetPreviousOccurrence(DateTimeOffset from, CronZone zone, bool inclusive = false) =>
        ToInstant(Schedule.Previous(inclusive ? from.ToUnixTimeSeconds() : Ceiling(from) - 1, zone));

    /// <summary>
    /// The number of plan times between two instants, both excluded. It counts by the day and the clock change, never one by one.
    /// </summary>
    public long CountOccurrences(DateTimeOffset after, DateTimeOffset before, CronZone zone) =>
        Schedule.Count(after.ToUnixTimeSeconds() + 1, Ceiling(before), zone);

    public override string ToString() => Text;

    private static long Ceiling(DateTimeOffset time)
    {
        var seconds = time.ToUnixTimeSeconds();
        return time.UtcTicks % TimeSpan.TicksPerSecond == 0 ? seconds : seconds + 1;
    }

    /// <remarks>
    /// Two returns instead of a conditional expression, whose result would be copied; that takes as long as all the rest.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static DateTimeOffset? ToInstant(long seconds)
    {
        if (seconds is Schedule.Never or Schedule.NotYet)
        {
            return null;
        }

        return new DateTimeOffset((seconds * TimeSpan.TicksPerSecond) + DateTime.UnixEpoch.Ticks, TimeSpan.Zero);
    }
}
