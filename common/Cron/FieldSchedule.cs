using System.Runtime.CompilerServices;

namespace Dts.Common.Cron;

/// <summary>Cron fields in a time zone: maps wall times to instants across clock changes.</summary>
/// <remarks>
/// A zone is a sequence of segments of constant offset. Two rules say what happens between them.
/// Real time (a star, a step or a range in seconds, minutes or hours): a segment has the wall times that its own clock
/// shows. Times in a gap do not happen; times in a fold happen twice.
/// Fixed times: every wall time happens once, in one segment. A time in a gap happens at the start of the segment after
/// the gap; a time in a fold happens in the earlier segment.
/// </remarks>
internal sealed class FieldSchedule(WallTimes times, bool hasFixedTimes) : Schedule
{
    public WallTimes Times => times;

    public bool HasFixedTimes => hasFixedTimes;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public override long Next(long from, CronZone zone)
    {
        if (zone.SegmentCount > 1)
        {
            return hasFixedTimes ? NextFixed(from, zone) : NextReal(from, zone);
        }

        var offset = zone[0].Offset;
        var wall = times.Next(from + offset);
        return wall == Never ? Never : wall - offset;
    }

    public override long Count(long from, long to, CronZone zone)
    {
        if (from >= to)
        {
            return 0;
        }

        var first = zone.SegmentAt(from);
        var last = zone.SegmentAt(to);
        var count = hasFixedTimes ? times.Count(EarliestFixed(from, zone[first]), EarliestFixed(to, zone[last])) : 0;
        for (var i = first; i <= last; i++)
        {
            var segment = zone[i];
            if (!hasFixedTimes)
            {
                count += times.Count(Math.Max(from, segment.Start) + segment.Offset, Math.Min(to, segment.End) + segment.Offset);
            }
            else if (segment.Start >= from && segment.Start < to && segment.Start + segment.Offset > segment.WallStart)
            {
                // All fixed times in a gap, and one exactly at its end, are one plan time.
                count -= Math.Max(0, times.Count(segment.WallStart, segment.Start + segment.Offset + 1) - 1);
            }
        }

        return count;
    }

    private long NextFixed(long from, CronZone zone)
    {
        ref readonly var segment = ref zone[zone.SegmentAt(from)];
        var wall = times.Next(EarliestFixed(from, segment));
        if (wall >= segment.WallEnd)
        {
            if (wall == Never)
            {
                return Never;
            }

            segment = ref zone[zone.SegmentShowing(wall)];
        }

        return Math.Max(wall - segment.Offset, segment.Start);
    }

    /// <summary>The earliest fixed wall time that happens at <paramref name="from"/> or later.</summary>
    private static long EarliestFixed(long from, in CronZone.Segment segment) =>
        from == segment.Start ? segment.WallStart : Math.Max(from + segment.Offset, segment.WallStart);

    private long NextReal(long from, CronZone zone)
    {
        for (var index = zone.SegmentAt(from); ;)
        {
            ref readonly var segment = ref zone[index];
            var earliest = from + segment.Offset;
            var wall = times.Next(earliest);
            if (wall < segment.End + segment.Offset)
            {
                return wall - segment.Offset;
            }

            if (++index == zone.SegmentCount)
            {
                return Never;
            }

            from = zone[index].Start;
            if (from + zone[index].Offset < earliest)
            {
                continue; // A fold: its second pass shows earlier wall times than those just searched.
            }

            if (wall == Never)
            {
                return Never;
            }

            // Nothing lies between, so skip to the segment that shows this time.
            index = zone.SegmentShowing(wall);
            from = zone[index].Start;
            if (wall - zone[index].Offset >= from)
            {
                return wall - zone[index].Offset;
            }

            // It lies in a gap, so it does not happen; search on after the gap.
        }
    }
}
