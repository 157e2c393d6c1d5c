using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Master.Jobs;

/// <summary>The state in etcd of a job's planned fires that have no record.</summary>
/// <param name="cursor">The latest plan time that has been decided, in mode all for any worker; null = none.</param>
/// <param name="startDeadline">How late a fire may start.</param>
internal sealed class FiresInEtcd(
    IEnumerable<UnendedRun> runs, IEnumerable<OwedEnding> owed, JobName name, DateTimeOffset? cursor, TimeSpan startDeadline)
{
    private readonly ILookup<DateTimeOffset, UnendedRun> _runs = runs
        .Where(run => RunId.TryParse(run.RunId, out var parts) && parts.Origin.Length == 0)
        .ToLookup(run => run.PlanTime);

    /// <summary>Decided endings that have no record yet.</summary>
    public IReadOnlyList<RunRecord> Owed { get; } = [.. owed.Select(ending => new RunRecord(
        JobName: name.Value,
        Command: "",
        Err: ending.Why,
        Output: "",
        PlanTime: ending.Run.PlanTime.ToUnixTimeMilliseconds(),
        ScheduleTime: 0,
        StartTime: ending.Decided.ToUnixTimeMilliseconds(),
        EndTime: ending.Decided.ToUnixTimeMilliseconds(),
        Id: $"{name}/{ending.Run.Id}",
        Status: ending.Status,
        Worker: ending.Worker,
        Attempt: ending.Run.Attempt,
        Trigger: ending.Run.Trigger,
        MissedCount: ending.Count,
        MissedSince: ending.Since?.ToUnixTimeMilliseconds() ?? 0))];

    /// <summary>Adds to a line the run that goes on, or how far the fire has come.</summary>
    public LedgerLine Complete(LedgerLine line, DateTimeOffset now)
    {
        if (_runs[line.PlanTime].FirstOrDefault(run => line.Endings.All(ending => ending.RunId != run.RunId)) is { } run)
        {
            var state = run.ClaimedAt is null ? UnendedRun.Queued : UnendedRun.Running;
            var attempt = run.Attempt > 1 ? $" as attempt {run.Attempt}" : "";
            return line with
            {
                Live = new LiveFire(state, run.RunId, run.Attempt, run.ClaimedBy),
                Note = run.ClaimedAt is null
                    ? $"waits in the queue{attempt}, not before {Cursor.Text(run.NotBefore)}"
                    : $"runs on {run.Worker}{attempt}",
            };
        }

        if (line.Endings.Count > 0)
        {
            return line;
        }

        var isDealtWith = cursor >= line.PlanTime;
        return !isDealtWith && now < line.PlanTime + startDeadline
            ? line with
            {
                Live = new LiveFire(LedgerLine.Planned, RunId.Of(line.PlanTime), 1, ""),
                Note = $"due: no worker has claimed it yet; it may start until {Cursor.Text(line.PlanTime + startDeadline)}",
            }
            : line with
            {
                Missing = isDealtWith
                    ? "a worker has dealt with it, and no record of its ending is in the log"
                    : "no worker has dealt with it",
            };
    }
}
