using System.ComponentModel;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>The statistics of a job.</summary>
internal sealed class JobStatsApi(JobStore jobs, ILogReader store, TimeProvider time)
{
    private const int DaysByDefault = 30;
    private const int DaysMax = 3660;

    public void Map(RouteGroupBuilder v1) => v1.MapGet("/jobs/{name}/stats", async (
        string name,
        [Description("How many days, today included; 30 unless given")] string? days,
        CancellationToken cancel) =>
    {
        var back = Query.Number("days", days, DaysByDefault, 1, DaysMax);
        var from = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).AddDays(1 - back);
        return await JobStats.ReadAsync(store, await jobs.ResolveAsync(Query.Name(name), cancel), from, cancel);
    }).RequireRole(Role.Viewer).WithSummary("Statistics of a job's runs: endings, durations, lags, memory, day by day");
}
