namespace Dts.Common.Cron;

/// <summary><c>@every</c>: the multiples of a period since the epoch, so that every worker, whenever it started, means the same times.</summary>
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
