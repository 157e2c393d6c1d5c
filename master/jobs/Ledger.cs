using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;

namespace Dts.Master.Jobs;

/// <summary>The answer to "why did it not run at 03:00?": every plan time of a job in a span, with its endings.</summary>
internal static class Ledger
{
    /// <summary>The most plan times that are listed.</summary>
    public const int LinesMax = 100_000;

    /// <summary>Schedules have plan times only between these two.</summary>
    private static readonly DateTimeOffset First = new(1970, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Last = new(2099, 12, 31, 23, 59, 59, TimeSpan.Zero);

    /// <summary>The start of a span when only its end is given.</summary>
    public static DateTimeOffset DayBefore(DateTimeOffset to) => to > First ? to.AddDays(-1) : First;

    /// <summary>The fault of a requested span; null = none.</summary>
    public static string? FindFault(DateTimeOffset from, DateTimeOffset to) =>
        OutOfRange("to", to)
        ?? OutOfRange("from", from)
        ?? (from < to ? null : $"from is {Cursor.Text(from)}; expected a time before to, which is {Cursor.Text(to)}");

    /// <summary>The plan times of a span.</summary>
    /// <param name="changes">The schedules that the job has had, the oldest first.</param>
    /// <param name="current">The job now; null = it is deleted. Its schedule stands for the time before the first change.</param>
    /// <param name="most">How many lines the plan may have.</param>
    public static LedgerPlan Plan(
        JobName name,
        IReadOnlyList<ScheduleChange> changes,
        Job? current,
        CronZone defaultZone,
        DateTimeOffset from,
        DateTimeOffset to,
        int most)
    {
        var unknown = changes.Count >= ScheduleChange.Kept && from < changes[0].After
            ? new LedgerLine(
                from,
                [],
                $"not known up to {Cursor.Text(changes[0].After)}: "
                + $"only the latest {ScheduleChange.Kept} changes of the schedule are kept")
            : null;
        var room = most - (unknown is null ? 0 : 1);
        var times = PlanTimes(name, changes, current, defaultZone, from, to).Take(room + 1).ToList();
        DateTimeOffset? more = times.Count > room ? times[^1] : null;
        return new LedgerPlan(unknown, more is null ? times : times[..^1], more);
    }

    /// <summary>Puts the endings beside the plan times.</summary>
    /// <param name="known">The job's fires in etcd; null = etcd was not asked, and a plan time without a record has no ending.</param>
    public static IReadOnlyList<LedgerLine> Judge(
        LedgerPlan plan, IReadOnlyList<RunRecord> records, DateTimeOffset now, FiresInEtcd? known = null)
    {
        var all = records.Concat(known?.Owed.ExceptBy(records.Select(record => record.Id), owed => owed.Id) ?? []).ToList();
        var byPlanTime = all.Where(IsOfSchedule).ToLookup(record => record.PlanTime);
        var summaries = all.Where(record => record.MissedSince > 0).ToList();
        var lines = plan.Times.Select(planTime =>
        {
            var endings = EndingsOf(planTime, byPlanTime, summaries);
            var line = new LedgerLine(planTime, endings, planTime > now ? LedgerLine.ToCome : "");
            return known is null || line.Note.Length > 0 ? line : known.Complete(line, now);
        });
        return [.. plan.Unknown is { } unknown ? [unknown] : Array.Empty<LedgerLine>(), .. lines];
    }

    internal static string? OutOfRange(string field, DateTimeOffset moment) =>
        moment >= First && moment <= Last
            ? null
            : $"{field} is {Cursor.Text(moment)}; expected a time from {Cursor.Text(First)} to {Cursor.Text(Last)}";

    private static List<LedgerEnding> EndingsOf(
        DateTimeOffset planTime, ILookup<long, RunRecord> byPlanTime, List<RunRecord> summaries)
    {
        var ms = planTime.ToUnixTimeMilliseconds();
        var own = byPlanTime[ms].OrderBy(record => record.MissedSince).ThenBy(record => record.Attempt);
        return
        [
            .. own.Concat(summaries.Where(record => record.MissedSince < ms && ms < record.PlanTime)).Select(record => new LedgerEnding(
                record.Status, record.Attempt, record.Worker, record.Err, RunIdOf(record), record.EndTime - record.StartTime)),
        ];
    }

    private static string RunIdOf(RunRecord record) => EndedRun.RunIdOf(record.Id, record.JobName);

    private static bool IsOfSchedule(RunRecord record) => record.Trigger is RunSpec.Schedule or RunSpec.Misfire
        || (record.Trigger is RunSpec.Retry or RunSpec.Rerun
            && (!RunId.TryParse(RunIdOf(record), out var parts) || parts.Origin.Length == 0));

    private static IEnumerable<DateTimeOffset> PlanTimes(
        JobName name, IReadOnlyList<ScheduleChange> changes, Job? current, CronZone defaultZone, DateTimeOffset from, DateTimeOffset to)
    {
        var all = changes.Count > 0 || current is null
            ? changes
            : new List<ScheduleChange> { new(DateTimeOffset.MinValue, current.CronExpr, current.TimeZone) };
        for (var i = 0; i < all.Count; i++)
        {
            var end = i + 1 < all.Count ? all[i + 1].After : DateTimeOffset.MaxValue;
            var schedule = Parse(all[i], name.Value, defaultZone);
            var after = all[i].After > from.AddTicks(-1) ? all[i].After : from.AddTicks(-1);
            for (var next = schedule?.Next(after);
                next is { } planTime && planTime <= end && planTime < to;
                next = schedule!.Next(planTime))
            {
                yield return planTime;
            }
        }
    }

    private static JobSchedule? Parse(ScheduleChange change, string name, CronZone defaultZone) =>
        change.CronExpr.Length > 0
            && JobSchedule.TryParse(new Job(name, "", change.CronExpr, TimeZone: change.TimeZone), defaultZone, out var schedule, out _)
            ? schedule
            : null;
}
