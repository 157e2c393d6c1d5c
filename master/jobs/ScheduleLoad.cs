using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>The number of planned fires over a span of at most a day, and the quietest times.</summary>
/// <param name="Jobs">How many jobs are counted: those that are enabled and have a schedule.</param>
/// <param name="Fires">The planned fires of each step, the first first. A fire of a job in mode all counts once.</param>
/// <param name="Busiest">Null = nothing is planned.</param>
/// <param name="QuietestTimes">The steps with the fewest fires; of equal ones, those with the quietest neighbours first.</param>
/// <param name="QuietestMinutes">The same for the minutes of an hour (0 to 59, UTC), for jobs that run each hour.</param>
internal sealed record ScheduleLoad(
    DateTimeOffset From,
    DateTimeOffset To,
    int StepSeconds,
    int Jobs,
    long Total,
    IReadOnlyList<long> Fires,
    TimeLoad? Busiest,
    IReadOnlyList<TimeLoad> QuietestTimes,
    IReadOnlyList<MinuteLoad> QuietestMinutes)
{
    private const int Named = 10;
    private const int MinutesAround = 7;
    private const int MinutesInHour = 60;

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    /// <summary>The longest span: a day, also one with an hour more.</summary>
    public static TimeSpan Longest { get; } = TimeSpan.FromHours(25);

    /// <param name="schedules">Each with the number of jobs that have it.</param>
    /// <param name="from">Its seconds do not matter.</param>
    /// <param name="step">Whole minutes.</param>
    /// <exception cref="OperationCanceledException">Nobody waits for the answer any more.</exception>
    public static ScheduleLoad Of(
        IReadOnlyCollection<(JobSchedule Schedule, int Jobs)> schedules,
        DateTimeOffset from,
        DateTimeOffset to,
        TimeSpan step,
        CancellationToken cancel = default)
    {
        var start = DateTimeOffset.UnixEpoch + (Minute * Math.Floor((from - DateTimeOffset.UnixEpoch) / Minute));
        var steps = Math.Max(1, (int)Math.Ceiling((to - start) / step));
        var perStep = (int)(step / Minute);
        var minutes = new long[steps * perStep];
        foreach (var (schedule, jobs) in schedules)
        {
            cancel.ThrowIfCancellationRequested();
            Add(schedule, jobs, start, minutes);
        }

        return Sum(start, step, schedules.Sum(same => same.Jobs), minutes, perStep);
    }

    private static void Add(JobSchedule schedule, int number, DateTimeOffset start, long[] minutes)
    {
        var end = start + (Minute * minutes.Length);
        for (var fire = schedule.Next(start.AddTicks(-1)); fire is { } at && at < end;)
        {
            var minute = (int)((at - start) / Minute);
            var after = start + (Minute * (minute + 1));
            fire = schedule.Next(at);
            var more = fire < after ? schedule.CountBetween(at, after) : 0;
            minutes[minute] += number * (1 + more);
            fire = more > 0 ? schedule.Next(after.AddTicks(-1)) : fire;
        }
    }

    private static ScheduleLoad Sum(DateTimeOffset start, TimeSpan step, int jobs, long[] minutes, int perStep)
    {
        var fires = minutes.Chunk(perStep).Select(some => some.Sum()).ToList();
        var times = fires.Select((count, i) => new TimeLoad(start + (step * i), count)).ToList();
        var around = Math.Max(1, MinutesAround / perStep);
        var ofHour = new long[MinutesInHour];
        for (var i = 0; i < minutes.Length; i++)
        {
            ofHour[(start.Minute + i) % MinutesInHour] += minutes[i];
        }

        var busiest = times.MaxBy(time => time.Fires);
        return new ScheduleLoad(
            start,
            start + (step * fires.Count),
            (int)step.TotalSeconds,
            jobs,
            minutes.Sum(),
            fires,
            busiest is { Fires: > 0 } ? busiest : null,
            [
                .. Enumerable.Range(0, fires.Count)
                    .OrderBy(i => fires[i])
                    .ThenBy(i => Enumerable.Range(i - around, (2 * around) + 1).Sum(j => fires.ElementAtOrDefault(j)))
                    .Take(Named)
                    .Select(i => times[i]),
            ],
            [
                .. Enumerable.Range(0, MinutesInHour)
                    .OrderBy(minute => ofHour[minute])
                    .ThenBy(minute => Enumerable.Range(minute - MinutesAround + MinutesInHour, (2 * MinutesAround) + 1)
                        .Sum(other => ofHour[other % MinutesInHour]))
                    .Take(Named)
                    .Select(minute => new MinuteLoad(minute, ofHour[minute])),
            ]);
    }
}

internal sealed record TimeLoad(DateTimeOffset At, long Fires);

internal sealed record MinuteLoad(int Minute, long Fires);
