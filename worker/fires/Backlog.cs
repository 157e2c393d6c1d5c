using Dts.Common.Jobs;
using Google.Protobuf;

namespace Dts.Worker.Fires;

/// <summary>
/// The plan times between a job's cursor and a fire that nobody claimed. Each runs after all, or is missed.
/// </summary>
/// <param name="Cursor">The cursor's value, which the claim compares: the claim that moves the cursor accounts for the backlog.</param>
/// <param name="Missed">One ending for all that do not run; null = there are none.</param>
/// <param name="Again">Those that run after all, under the job's misfire policy.</param>
internal sealed record Backlog(ByteString Cursor, OwedEnding? Missed, IReadOnlyList<RunSpec> Again)
{
    /// <summary>How many fires of an outage run after all, with misfire: all.</summary>
    public const int AgainMax = 100;

    /// <summary>
    /// In bounded time, however long the outage was: the fires that run after all are looked up one by one, the others counted.
    /// </summary>
    /// <param name="fires">The fires strictly between these moments.</param>
    /// <param name="end">Makes the ending of the missed ones, for the last of them and their number.</param>
    public static Backlog Find(
        Fire fire,
        ByteString cursor,
        (DateTimeOffset After, DateTimeOffset Before) fires,
        DateTimeOffset now,
        Func<RunSpec, long, OwedEnding> end)
    {
        var (after, before) = fires;
        var schedule = fire.Plan.Schedule;
        List<RunSpec> again = [];
        var last = schedule.Latest(before.AddSeconds(-1));
        var most = fire.Plan.Misfire switch { Misfire.Once => 1, Misfire.All => AgainMax, _ => 0 };
        while (last > after && again.Count < most && now <= last.Value + fire.Plan.StartDeadline)
        {
            again.Add(fire.Run with { PlanTime = last.Value, NotBefore = last.Value, Trigger = RunSpec.Misfire });
            before = last.Value;
            last = schedule.Latest(before.AddSeconds(-1));
        }

        var missed = last > after ? schedule.CountBetween(after, before) : 0;
        var ending = missed > 0 ? end(fire.Run with { PlanTime = last!.Value, NotBefore = last.Value }, missed) : null;
        return new Backlog(cursor, ending, again);
    }
}
