namespace Dts.Common.Jobs;

/// <summary>A line of the value of a key under history/: what a job's schedule was from a moment on.</summary>
/// <param name="After">Its plan times come after this; those up to it are the former schedule's.</param>
/// <param name="CronExpr">Empty = none: the job was paused or deleted.</param>
public sealed record ScheduleChange(DateTimeOffset After, string CronExpr, string TimeZone)
{
    /// <summary>The number of changes kept for a job; older ones are dropped.</summary>
    public const int Kept = 100;
}
