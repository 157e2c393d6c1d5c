using System.ComponentModel;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>The load that the schedules of all jobs make.</summary>
internal sealed class ScheduleApi(ClusterView view, ScheduleLoads loads, TimeProvider time)
{
    private const int WaitersMax = 40;

    private readonly Places _places =
        new(WaitersMax, "requests", "wait for the load of schedules on this master", "try again when they are answered");

    private static readonly Dictionary<string, TimeSpan> Steps = new()
    {
        ["minute"] = TimeSpan.FromMinutes(1),
        ["quarter"] = TimeSpan.FromMinutes(15),
    };

    public void Map(RouteGroupBuilder v1) => v1.MapGet("/schedule", async (
        [Description("The start of the span; now unless given")] string? from,
        [Description("Its end, at most 25 hours later; a day later unless given")] string? to,
        [Description("minute, or quarter of an hour; quarter unless given")] string? step,
        [Description("Which jobs, as in the list of jobs: label:team=pay -state:paused backup")] string? filter,
        HttpContext http,
        CancellationToken cancel) =>
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

        var word = Query.Text("step", step) ?? "quarter";
        var length = Steps.TryGetValue(word, out var known)
            ? known
            : throw Refusal.BadQuery("step", word, $"one of {string.Join(", ", Steps.Keys)}");
        var scope = Caller.Of(http).Scope;
        var wanted = scope.Narrow(JobListApi.ReadFilter(filter, now));
        using var taken = _places.Take(Caller.Of(http));
        return await loads.GetAsync(new LoadQuery(begin, end, length, $"{filter}\n{scope.Text}"), () => List(wanted, now), cancel);
    }).RequireRole(Role.Viewer).WithSummary("How many fires are planned over a day, and the quietest times");

    private List<(JobSchedule Schedule, int Jobs)> List(Filter wanted, DateTimeOffset now) => view.Ask(state => state.Jobs.Sorted
        .Where(job => job is { IsEnabled: true, Broken: "" } && wanted.Matches(job, state, now))
        .Select(job => job.Timing.Schedule)
        .OfType<JobSchedule>()
        .GroupBy(schedule => schedule) // Jobs of equal texts share one, except those with H.
        .Select(same => (same.Key, same.Count()))
        .ToList());
}
