using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Master.Jobs;

/// <summary>The answer to "why did it not run at 03:00?": every plan time of a job in a span, with its endings.</summary>
internal static class Ledger
{
    /// <summary>How many plan times are listed at the most.</summary>
    public const int LinesMax = 100_000;

    /// <summary>Schedules have plan times between these two times only.</summary>
    private static readonly DateTimeOffset First = new(1970, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Last = new(2099, 12, 31, 23, 59, 59, TimeSpan.Zero);

    /// <summary>The start of a span when only its end is given.</summary>
    public static DateTimeOffset DayBefore(DateTimeOffset to) => to > First ? to.AddDays(-1) : First;

    /// <summary>The fault of a requested span; null = none.</summary>
    public static string? FindFault(DateTimeOffset from, DateTimeOffset to) =>
        OutOfRange("to", to)
        ?? OutOfRange("from", from)
        ?? (from < to ? null : $"from is {Cursor.Text(from)}; expected a time before to, which is {Cursor.Text(to)}");

    /// <param name="changes">What the schedule was, the oldest first.</param>
    /// <param name="current">The job now; null = it is deleted. Its schedule stands for the time before the first change.</param>
    public static IReadOnlyList<LedgerLine> List(
        JobName name,
        IReadOnlyList<ScheduleChange> changes,
        Job? current,
        IReadOnlyList<RunRecord> records,
        CronZone defaultZone,
        DateTimeOffset from,
        DateTimeOffset to,
        DateTimeOffset now)
    {
        var byPlanTime = records.Where(IsOfSchedule).ToLookup(record => record.PlanTime);
        var summaries = records.Where(record => record.MissedSince > 0).ToList();
        var lines = new List<LedgerLine>();
        if (changes.Count >= ScheduleChange.Kept && from < changes[0].After)
        {
            lines.Add(new LedgerLine(
                from,
                [],
                $"not known up to {Cursor.Text(changes[0].After)}: "
                + $"only the latest {ScheduleChange.Kept} changes of the schedule are kept"));
        }

        foreach (var planTime in PlanTimes(name, changes, current, defaultZone, from, to))
        {
            if (lines.Count >= LinesMax)
            {
                lines.Add(new LedgerLine(planTime, [], "more follow: ask again from here"));
                break;
            }

            lines.Add(Line(planTime, byPlanTime, summaries, planTime > now ? LedgerLine.ToCome : ""));
        }

        return lines;
    }

    private static string? OutOfRange(string field, DateTimeOffset moment) =>
        moment >= First && moment <= Last
            ? null
            : $"{field} is {Cursor.Text(moment)}; expected a time from {Cursor.Text(First)} to {Cursor.Text(Last)}";

    private static LedgerLine Line(DateTimeOffset planTime, ILookup<long, RunRecord> byPlanTime, List<RunRecord> summaries, string note)
    {
        var ms = planTime.ToUnixTimeMilliseconds();
        var own = byPlanTime[ms].OrderBy(record => record.Attempt).ToList();
        var endings = own.Concat(summaries.Where(record => record.MissedSince < ms && ms < record.PlanTime)).Select(record =>
            new LedgerEnding(record.Status, record.Attempt, record.Worker, record.Err, RunIdOf(record)));
        return new LedgerLine(planTime, [.. endings], note);
    }

    private static bool IsOfSchedule(RunRecord record) => record.Trigger is RunSpec.Schedule or RunSpec.Misfire
        || (record.Trigger is RunSpec.Retry or RunSpec.Rerun
            && !RunIdOf(record).Contains("-manual-", StringComparison.Ordinal)
            && !RunIdOf(record).Contains("-after-", StringComparison.Ordinal));

    private static string RunIdOf(RunRecord record) => record.Id[(record.JobName.Length + 1)..];

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

/// <summary>One planned time and how it ended: the last attempt's ending counts. In mode all there is one for each worker.</summary>
/// <param name="Note">
/// Why the line is not judged: the time is still to come, or the line stands for a span that is not listed. Empty = the line is judged.
/// </param>
internal sealed record LedgerLine(DateTimeOffset PlanTime, IReadOnlyList<LedgerEnding> Endings, string Note = "")
{
    public const string ToCome = "to come";

    /// <summary>The fault of this line; empty = none: each attempt has ended once, or the line is not judged.</summary>
    public string Fault => Endings.Count == 0
        ? Note.Length == 0 ? "no ending" : ""
        : Endings.GroupBy(ending => (ending.Attempt, WorkerOf(ending))).Any(group => group.Count() > 1) ? "two endings" : "";

    public override string ToString()
    {
        var endings = Endings.Count > 0 ? string.Join("; ", Endings) : Note.Length > 0 ? Note : "-";
        return $"{Cursor.Text(PlanTime)}  {endings}{(Fault.Length > 0 ? $"  << {Fault}" : "")}";
    }

    private static string WorkerOf(LedgerEnding ending) =>
        ending.RunId.IndexOf('@', StringComparison.Ordinal) is >= 0 and var at ? ending.RunId[at..] : "";
}

/// <summary>One ending of a planned time.</summary>
internal sealed record LedgerEnding(RunStatus Status, int Attempt, string Worker, string Err, string RunId)
{
    public override string ToString()
    {
        var attempt = Attempt > 1 ? $" attempt {Attempt}" : "";
        return $"{Status.Word()} {Worker}{attempt}{(Err.Length > 0 ? $" ({Err})" : "")}";
    }
}
