using System.ComponentModel;
using Dts.Common.Jobs;
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
        var job = await jobs.ResolveAsync(Query.Name(name), cancel);
        var stats = await JobStats.ReadAsync(store, job, from, cancel);
        return stats.ByDay.Count > 0 || await IsKnownAsync(job, cancel) ? stats : throw JobSaves.NoSuchJob(job);
    }).RequireRole(Role.Viewer).WithSummary("Statistics of a job's runs: endings, durations, lags, memory, day by day");

    /// <summary>A deleted job is known while the log has a record of it.</summary>
    private async Task<bool> IsKnownAsync(JobName job, CancellationToken cancel) =>
        (await jobs.FindStoredAsync(job, cancel)).Exists
        || (await store.SearchAsync(new LogQuery(Job: job.Value, Limit: 1), cancel)).Records.Count > 0;
}
