using System.Diagnostics.CodeAnalysis;
using Dts.Common.Cron;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>A job's cron expression in its zone.</summary>
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

/// <summary>The zone of jobs that name none; it must be the same on all masters and workers.</summary>
public static class ZoneSetting
{
    public static CronZone Read(SettingsReader settings)
    {
        var id = settings.Text("timeZone", "UTC");
        return CronZone.TryGet(id, out var zone, out var error)
            ? zone
            : throw settings.Wrong("timeZone", id, $"a time zone's IANA id ({error})");
    }
}

/// <summary>An entry in the value of a key under history/: a job's schedule from a moment on.</summary>
/// <param name="After">Its plan times are after this; up to it the former schedule applies.</param>
/// <param name="CronExpr">Empty = none: the job was paused or deleted.</param>
public sealed record ScheduleChange(DateTimeOffset After, string CronExpr, string TimeZone)
{
    /// <summary>The number of changes kept for a job; older ones are dropped.</summary>
    public const int Kept = 100;
}
