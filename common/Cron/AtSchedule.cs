namespace Dts.Common.Cron;

/// <summary><c>@at</c>: a few instants, each once.</summary>
/// <param name="instants">Ascending, without repetition.</param>
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
