using System.Diagnostics.CodeAnalysis;
using Dts.Common.Cron;

namespace Dts.Common.Jobs;

/// <summary>When a job fires: its expression in its zone.</summary>
public sealed record JobSchedule(CronExpression Expression, CronZone Zone)
{
    public static bool TryParse(Job job, CronZone defaultZone, [NotNullWhen(true)] out JobSchedule? schedule, out string error)
    {
        schedule = null;
        var zone = defaultZone;
        if (job.TimeZone.Length > 0 && !CronZone.TryGet(job.TimeZone, out zone, out var zoneError))
        {
            error = $"timeZone: {zoneError}";
            return false;
        }

        if (!CronExpression.TryParse(job.CronExpr, job.Name, out var expression, out var cronError))
        {
            error = $"cronExpr \"{Display.Line(job.CronExpr)}\": {cronError}";
            return false;
        }

        error = "";
        schedule = new JobSchedule(expression, zone!);
        return true;
    }

    /// <summary>The first plan time after a moment; null = none is left.</summary>
    public DateTimeOffset? Next(DateTimeOffset after) => Expression.GetNextOccurrence(after, Zone);

    /// <summary>The latest plan time at or before a moment.</summary>
    public DateTimeOffset? Latest(DateTimeOffset now) => Expression.GetPreviousOccurrence(now, Zone, inclusive: true);

    public bool Has(DateTimeOffset planTime) => Expression.GetNextOccurrence(planTime, Zone, inclusive: true) == planTime;

    /// <summary>How many plan times lie strictly between two moments.</summary>
    public long CountBetween(DateTimeOffset after, DateTimeOffset before) => Expression.CountOccurrences(after, before, Zone);
}
