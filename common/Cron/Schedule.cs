namespace Dts.Common.Cron;

/// <summary>A set of plan times, in whole seconds since the epoch.</summary>
internal abstract class Schedule
{
    /// <summary>Later than every plan time: the answer of <see cref="Next"/> when none is left.</summary>
    public const long Never = long.MaxValue;

    /// <summary>Earlier than every plan time: the answer of <see cref="Previous"/> when there was none.</summary>
    public const long NotYet = long.MinValue;

    /// <summary>One past the last second of 2099, in UTC.</summary>
    public const long End = (long)Calendar.EndDay * Calendar.SecondsPerDay;

    /// <summary>The earliest plan time at <paramref name="from"/> or after it.</summary>
    public abstract long Next(long from, CronZone zone);

    /// <summary>How many plan times there are from <paramref name="from"/> on and before <paramref name="to"/>.</summary>
    public abstract long Count(long from, long to, CronZone zone);

    /// <summary>The latest plan time at <paramref name="from"/> or before it.</summary>
    /// <remarks>
    /// Looks back twice as far each time until there is one, then halves what lies between: some fifty calls of Next for a yearly
    /// schedule. It is asked once in a while, after an outage; a mirror image of all of Next would be twice the code.
    /// </remarks>
    public long Previous(long from, CronZone zone)
    {
        from = Math.Min(from, End + Calendar.SecondsPerDay); // a zone's 2099 ends within a day of UTC's
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
