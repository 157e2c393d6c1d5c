using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>A schedule in words, its next plan times, and warnings of surprising effects.</summary>
internal sealed record SchedulePreview(string Description, IReadOnlyList<DateTimeOffset> Next, IReadOnlyList<string> Warnings)
{
    public static SchedulePreview Of(JobSchedule schedule, DateTimeOffset from, int count) => new(
        schedule.Expression.Describe(schedule.Zone),
        [.. schedule.Expression.Upcoming(schedule.Zone, from, count).Select(time => time.ToUniversalTime())],
        schedule.Expression.Warnings(schedule.Zone, from));
}
