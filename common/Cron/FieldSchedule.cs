using System.Runtime.CompilerServices;

namespace Dts.Common.Cron;

/// <summary>Cron fields in a time zone: carries the wall times over to real time, through every change of the clocks.</summary>
/// <remarks>
/// A zone is a row of segments of constant offset. There are two readings of what the clocks do between them.
/// Following real time (a star, a step or a range in seconds, minutes or hours): a segment has the wall times that its
/// own clock shows; what a gap jumps over is not there, what a fold shows twice is there twice.
/// Fixed times: every wall time belongs to one segment, and happens once. One in a gap belongs to the segment after it
/// and happens at that segment's start; one in a fold belongs to the segment before, which shows it first.
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
                // All fixed times in a gap, and one right at its end, are one plan time.
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

    /// <summary>The earliest wall time that happens at <paramref name="from"/> or after it when each happens once.</summary>
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
                continue; // A fold: its second pass shows times that lie before those just searched.
            }

            if (wall == Never)
            {
                return Never;
            }

            // No time of the set lies between, so straight to the segment that shows this one, however many are skipped.
            index = zone.SegmentShowing(wall);
            from = zone[index].Start;
            if (wall - zone[index].Offset >= from)
            {
                return wall - zone[index].Offset;
            }

            // It lies in a gap, so it does not happen: on from the far side.
        }
    }
}
