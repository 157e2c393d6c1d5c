using System.Numerics;

namespace Dts.Common.Cron;

/// <summary>The seconds of the wall clock that the fields name, from 1970 to 2099, with no notion of zones.</summary>
/// <remarks>
/// Constraints: asked about every plan time of every job, so no allocation, and no search that steps through time.
/// Scheme: a wall time is seconds since 1970-01-01 as the clock on the wall counts. Each field is a mask, and the next
/// value of a field is the lowest bit at or above the present one. A month is one mask of days, so that the rarest
/// expression (a fifth Monday in February) looks at one month a year. Few branches: from an arbitrary instant they cannot
/// be foreseen, and a wrong guess of the processor costs more than all the arithmetic.
/// </remarks>
internal sealed class WallTimes(ulong seconds, ulong minutes, uint hours, DateSet dates)
{
    private readonly bool _isEveryDay = dates.IsEveryDay;
    private readonly int _firstTime = FirstTime(hours, minutes, seconds);
    private readonly int _lastTime = (BitOperations.Log2(hours) * 3600) + (BitOperations.Log2(minutes) * 60) + BitOperations.Log2(seconds);

    public ulong Seconds => seconds;

    public ulong Minutes => minutes;

    public uint Hours => hours;

    public DateSet Dates => dates;

    public int TimesPerDay => BitOperations.PopCount(hours) * TimesPerHour;

    private int TimesPerHour => BitOperations.PopCount(minutes) * BitOperations.PopCount(seconds);

    /// <summary>The earliest wall time in the set at <paramref name="from"/> or after it, or <see cref="Schedule.Never"/>.</summary>
    public long Next(long from)
    {
        var (day, time) = Split(from);
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

        var (firstDay, firstTime) = Split(from);
        var (lastDay, lastTime) = Split(to);
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
                return (hour * 3600) + (BitOperations.TrailingZeroCount(laterMinutes) * 60) + BitOperations.TrailingZeroCount(seconds);
            }
        }

        return FirstTime(hours & (uint.MaxValue << (hour + 1)), minutes, seconds);
    }

    private static int FirstTime(uint hours, ulong minutes, ulong seconds) =>
        (BitOperations.TrailingZeroCount(hours) * 3600) + (BitOperations.TrailingZeroCount(minutes) * 60) + BitOperations.TrailingZeroCount(seconds);

    private long CountBefore(int time)
    {
        var (hour, minute, second) = SplitTime(time);
        var isInMinute = ((minutes >> minute) & 1) != 0;
        var inHour = (Below(minutes, minute) * BitOperations.PopCount(seconds)) + (isInMinute ? Below(seconds, second) : 0);
        return (Below(hours, hour) * TimesPerHour) + (((hours >> hour) & 1) != 0 ? inHour : 0);
    }

    /// <summary>How many values of a field are less than <paramref name="value"/>.</summary>
    private static int Below(ulong values, int value) => BitOperations.PopCount(values & ((1UL << value) - 1));

    private static (int Day, int Time) Split(long wall)
    {
        var seconds = (uint)Math.Clamp(wall, 0, (long)Calendar.EndDay * Calendar.SecondsPerDay); // 32 bits are enough until 2106
        var day = seconds / Calendar.SecondsPerDay;
        return ((int)day, (int)(seconds - (day * Calendar.SecondsPerDay)));
    }

    private static (int Hour, int Minute, int Second) SplitTime(int time)
    {
        var hour = (uint)time / 3600;
        var minuteOfDay = (uint)time / 60;
        return ((int)hour, (int)(minuteOfDay - (hour * 60)), (int)((uint)time - (minuteOfDay * 60)));
    }
}
