using System.ComponentModel;
using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Jobs;

namespace Dts.Master.Api;

/// <summary>A schedule before it is saved.</summary>
internal sealed class PreviewApi(CronZone defaultZone, TimeProvider time)
{
    private const int TimesMax = 1000;

    public void Map(RouteGroupBuilder v1) =>
        v1.MapGet("/schedule/preview", (
            [Description("The expression, cronExpr of a job")] string? expr,
            [Description("The time zone, an IANA id; without it the setting timeZone")] string? zone,
            [Description("The job's name, from which H takes its values")] string? name,
            [Description("Times after this moment; without it after now")] string? from,
            [Description("How many times, 1 to 1000")] string? n) =>
        {
            var job = new Job(name ?? "", "", expr ?? "", TimeZone: Query.Text("zone", zone) ?? "");
            if (SaveRules.FindBadSchedule(job, defaultZone) is { } fault)
            {
                throw Refusal.Invalid(fault);
            }

            return JobSchedule.TryParse(job, defaultZone, out var schedule, out var error)
                ? SchedulePreview.Of(schedule, Query.Moment("from", from) ?? time.GetUtcNow(), Query.Number("n", n, 5, 1, TimesMax))
                : throw Refusal.Invalid(error);
        }).RequireRole(Role.Viewer)
            .WithSummary("A schedule in words, its next times, and what may surprise about it").WithMetadata(ApiDescription.Invalid);
}
