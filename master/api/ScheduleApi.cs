using System.ComponentModel;
using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>The load of all schedules, and the preview of one before it is saved.</summary>
internal sealed class ScheduleApi(ClusterView view, ScheduleLoads loads, CronZone defaultZone, TimeProvider time)
{
    private const int WaitersMax = 40;
    private const int TimesMax = 1000;

    private readonly CallerQuota _quota =
        new(WaitersMax, "requests", "wait for the load of schedules on this master", "try again when they are answered");

    private static readonly Dictionary<string, TimeSpan> Steps = new()
    {
        ["minute"] = TimeSpan.FromMinutes(1),
        ["quarter"] = TimeSpan.FromMinutes(15),
    };

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/schedule", LoadAsync).RequireRole(Role.Viewer)
            .WithSummary("How many fires are planned over a day, and the quietest times");
        v1.MapGet("/schedule/preview", Preview).RequireRole(Role.Viewer)
            .WithSummary("A schedule in words, its next plan times, and warnings of surprising effects")
            .WithMetadata(ApiDescription.Invalid);
    }

    private async Task<ScheduleLoad> LoadAsync(
        [Description("The start of the span; now unless given")] string? from,
        [Description("Its end, at most 25 hours later; a day later unless given")] string? to,
        [Description("minute, or quarter of an hour; quarter unless given")] string? step,
        [Description("Which jobs, as in the list of jobs: label:team=pay -state:paused backup")] string? filter,
        HttpContext http,
        CancellationToken cancel)
    {
        var now = time.GetUtcNow();
        var begin = Query.Moment("from", from) ?? now.AddTicks(-(now.UtcTicks % TimeSpan.TicksPerMinute));
        var end = Query.Moment("to", to) ?? begin.AddDays(1);
        if (Ledger.FindFault(begin, end) is { } fault)
        {
            throw new FormatException(fault);
        }

        if (end - begin > ScheduleLoad.Longest)
        {
            throw Refusal.BadQuery("to", Cursor.Text(end), $"a time at most 25 hours after from, which is {Cursor.Text(begin)}");
        }

        var length = Query.OneOf("step", Query.Text("step", step) ?? "quarter", Steps);
        var scope = Caller.Of(http).Scope;
        var wanted = scope.Narrow(JobListApi.ReadFilter(filter, now));
        using var taken = _quota.Take(Caller.Of(http));
        return await loads.GetAsync(new LoadQuery(begin, end, length, $"{filter}\n{scope.Text}"), () => List(wanted, now), cancel);
    }

    private SchedulePreview Preview(
        [Description("The expression, cronExpr of a job")] string? expr,
        [Description("The time zone, an IANA id; without it the setting timeZone")] string? zone,
        [Description("The job's name, from which H takes its values")] string? name,
        [Description("Times after this moment; without it after now")] string? from,
        [Description("How many times, 1 to 1000")] string? n)
    {
        var job = new Job(name ?? "", "", expr ?? "", TimeZone: Query.Text("zone", zone) ?? "");
        if (SaveRules.FindBadSchedule(job, defaultZone) is { } fault)
        {
            throw Refusal.Invalid(fault);
        }

        return JobSchedule.TryParse(job, defaultZone, out var schedule, out var error)
            ? SchedulePreview.Of(schedule, Query.Moment("from", from) ?? time.GetUtcNow(), Query.Number("n", n, 5, 1, TimesMax))
            : throw Refusal.Invalid(error);
    }

    private List<(JobSchedule Schedule, int Jobs)> List(Filter wanted, DateTimeOffset now) => view.Ask(state => state.Jobs.Sorted
        .Where(job => job is { IsEnabled: true, Broken: "" } && wanted.Matches(job, state, now))
        .Select(job => job.Timing.Schedule)
        .OfType<JobSchedule>()
        .GroupBy(schedule => schedule) // Jobs of equal texts share one, except those with H.
        .Select(same => (same.Key, same.Count()))
        .ToList());
}
