namespace Dts.Common.Cron;

/// <summary>A set of plan times, in whole seconds since the epoch.</summary>
internal abstract class Schedule
{
    /// <summary>Later than every plan time: <see cref="Next"/> returns it when none is left.</summary>
    public const long Never = long.MaxValue;

    /// <summary>Earlier than every plan time: <see cref="Previous"/> returns it when there was none.</summary>
    public const long NotYet = long.MinValue;

    /// <summary>One past the last second of 2099, in UTC.</summary>
    public const long End = (long)Calendar.EndDay * Calendar.SecondsPerDay;

    /// <summary>The earliest plan time at <paramref name="from"/> or later.</summary>
    public abstract long Next(long from, CronZone zone);

    /// <summary>The number of plan times from <paramref name="from"/> on and before <paramref name="to"/>.</summary>
    public abstract long Count(long from, long to, CronZone zone);

    /// <summary>The latest plan time at <paramref name="from"/> or earlier.</summary>
    /// <remarks>
    /// Looks back twice as far each time until there is one, then bisects: about fifty calls of Next for a yearly schedule. That is enough,
    /// because it is needed rarely, after an outage; searching backwards directly would double the code of Next.
    /// </remarks>
    public long Previous(long from, CronZone zone)
    {
        from = Math.Min(from, End + Calendar.SecondsPerDay); // A zone's 2099 ends within a day of UTC's.
        var low = from;
        var found = Next(low, zone);
        for (var reach = 1L; found > from; reach *= 2)
        {
            if (low < -Calendar.SecondsPerDay)
            {
                return NotYet;
            }

            low = from - reach;
            found = Next(low, zone);
        }

        for (var high = from; found < high;)
        {
            var middle = found + 1 + ((high - found - 1) / 2);
            var next = Next(middle, zone);
            (found, high) = next <= from ? (next, high) : (found, middle - 1);
        }

        return found;
    }
}

/// <summary><c>@at</c>: a few instants, each once.</summary>
/// <param name="instants">Ascending and distinct.</param>
internal sealed class AtSchedule(long[] instants) : Schedule
{
    public IReadOnlyList<long> Instants => instants;

    public override long Next(long from, CronZone zone)
    {
        var index = CountBefore(from);
        return index < instants.Length ? instants[index] : Never;
    }

    public override long Count(long from, long to, CronZone zone) => Math.Max(0, CountBefore(to) - CountBefore(from));

    private int CountBefore(long time)
    {
        var index = Array.BinarySearch(instants, time);
        return index < 0 ? ~index : index;
    }
}

/// <summary>The years of schedules: 1970 to 2099.</summary>
internal static class Calendar
{
    public const int FirstYear = 1970;
    public const int LastYear = 2099;
    public const int EndDay = 47482; // Days from 1970-01-01 to 2100-01-01.
    public const int SecondsPerDay = 86400;
}

/// <summary>A schedule or a time zone cannot be used; the message is one line for the person who wrote it.</summary>
public sealed class CronFormatException(string message) : FormatException(message);

/// <summary>
/// <c>@every</c>: the multiples of a period since the epoch, so that all workers plan the same times whenever they started.
/// </summary>
internal sealed class EverySchedule(long period) : Schedule
{
    public long Period => period;

    public override long Next(long from, CronZone zone)
    {
        var next = CountBefore(from) * period;
        return next < End ? next : Never;
    }

    public override long Count(long from, long to, CronZone zone) => Math.Max(0, CountBefore(to) - CountBefore(from));

    private long CountBefore(long time) => (Math.Clamp(time, 0, End) + period - 1) / period;
}
