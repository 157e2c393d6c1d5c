using System.Numerics;
using System.Runtime.CompilerServices;

namespace Dts.Common.Cron;

/// <summary>The seconds of the wall clock that the fields name, from 1970 to 2099, with no notion of zones.</summary>
/// <remarks>
/// Constraints: asked about every plan time of every job, so no allocation, and no search that steps through time.
/// Scheme: a wall time is seconds since 1970-01-01 as the clock on the wall counts. Each field is a mask, and the next
/// value of a field is the lowest bit at or above the present one. A month is one mask of days, so that the rarest
/// expression (a fifth Monday in February) looks at one month a year. Few branches: from an arbitrary instant they cannot
/// be foreseen, and a wrong guess of the processor costs more than all the arithmetic. The steps are inlined by name:
/// a pair that is returned goes through memory, and half of the time went there.
/// </remarks>
internal sealed class WallTimes(ulong seconds, ulong minutes, uint hours, DateSet dates)
{
    private const uint End = (uint)Calendar.EndDay * Calendar.SecondsPerDay; // 32 bits are enough until 2106

    private readonly bool _isEveryDay = dates.IsEveryDay;
    private readonly int _firstInMinute = BitOperations.TrailingZeroCount(seconds);
    private readonly int _firstInHour = (BitOperations.TrailingZeroCount(minutes) * 60) + BitOperations.TrailingZeroCount(seconds);
    private readonly int _firstTime = (BitOperations.TrailingZeroCount(hours) * 3600) + (BitOperations.TrailingZeroCount(minutes) * 60) + BitOperations.TrailingZeroCount(seconds);
    private readonly int _lastTime = (BitOperations.Log2(hours) * 3600) + (BitOperations.Log2(minutes) * 60) + BitOperations.Log2(seconds);

    public ulong Seconds => seconds;

    public ulong Minutes => minutes;

    public uint Hours => hours;

    public DateSet Dates => dates;

    public int TimesPerDay => BitOperations.PopCount(hours) * TimesPerHour;

    private int TimesPerHour => BitOperations.PopCount(minutes) * BitOperations.PopCount(seconds);

    /// <summary>The earliest wall time in the set at <paramref name="from"/> or after it, or <see cref="Schedule.Never"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Next(long from)
    {
        if ((ulong)from >= End)
        {
            if (from > 0)
            {
                return Schedule.Never;
            }

            from = 0;
        }

        var (day, time) = Split((uint)from);
        var isOver = time > _lastTime ? 1 : 0;
        day += isOver;
        time &= isOver - 1;

        var found = _isEveryDay ? day : dates.Next(day);
        return (uint)found >= Calendar.EndDay ? Schedule.Never
            : ((long)found * Calendar.SecondsPerDay) + (time <= _firstTime || found != day ? _firstTime : NextTime(time));
    }

    /// <summary>How many wall times of the set lie from <paramref name="from"/> on and before <paramref name="to"/>.</summary>
    public long Count(long from, long to)
    {
        if (from >= to)
        {
            return 0;
        }

        var (firstDay, firstTime) = Split((uint)Math.Clamp(from, 0, End));
        var (lastDay, lastTime) = Split((uint)Math.Clamp(to, 0, End));
        return (dates.Count(firstDay, lastDay) * TimesPerDay)
            - (dates.Next(firstDay) == firstDay ? CountBefore(firstTime) : 0)
            + (dates.Next(lastDay) == lastDay ? CountBefore(lastTime) : 0);
    }

    /// <summary>The times of one day, in order.</summary>
    public IEnumerable<int> ListTimes()
    {
        for (var time = _firstTime; ; time = NextTime(time + 1))
        {
            yield return time;
            if (time == _lastTime)
            {
                break;
            }
        }
    }

    /// <summary>The first time of day in the set at <paramref name="time"/> or after it; there must be one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int NextTime(int time)
    {
        var (hour, minute, second) = SplitTime(time);
        if (((hours >> hour) & 1) != 0)
        {
            var laterSeconds = seconds >> second;
            if (((minutes >> minute) & 1) != 0 && laterSeconds != 0)
            {
                return time + BitOperations.TrailingZeroCount(laterSeconds);
            }

            var laterMinutes = minutes & (ulong.MaxValue << (minute + 1));
            if (laterMinutes != 0)
            {
                return (hour * 3600) + (BitOperations.TrailingZeroCount(laterMinutes) * 60) + _firstInMinute;
            }
        }

        return (BitOperations.TrailingZeroCount(hours & (uint.MaxValue << (hour + 1))) * 3600) + _firstInHour;
    }

    private long CountBefore(int time)
    {
        var (hour, minute, second) = SplitTime(time);
        var isInMinute = ((minutes >> minute) & 1) != 0;
        var inHour = (Below(minutes, minute) * BitOperations.PopCount(seconds)) + (isInMinute ? Below(seconds, second) : 0);
        return (Below(hours, hour) * TimesPerHour) + (((hours >> hour) & 1) != 0 ? inHour : 0);
    }

    /// <summary>How many values of a field are less than <paramref name="value"/>.</summary>
    private static int Below(ulong values, int value) => BitOperations.PopCount(values & ((1UL << value) - 1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (int Day, int Time) Split(uint wall)
    {
        var day = wall / Calendar.SecondsPerDay;
        return ((int)day, (int)(wall - (day * Calendar.SecondsPerDay)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (int Hour, int Minute, int Second) SplitTime(int time)
    {
        var hour = (uint)time / 3600;
        var minuteOfDay = (uint)time / 60;
        return ((int)hour, (int)(minuteOfDay - (hour * 60)), (int)((uint)time - (minuteOfDay * 60)));
    }
}
