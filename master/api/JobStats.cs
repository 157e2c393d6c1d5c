using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>What a job's runs came to, over some days.</summary>
/// <param name="Counts">Planned fires by how they ended, by the status's word.</param>
/// <param name="DurationP50Ms">Percentiles are of buckets, and at most a fifth too high; null = there were no runs.</param>
/// <param name="LagP99Ms">How late scheduled runs started.</param>
/// <param name="LastSuccess">The start of the latest run that succeeded; null = there is none in the log.</param>
/// <param name="Days">Day by day, the oldest first; days without any are left out.</param>
internal sealed record JobStats(
    IReadOnlyDictionary<string, long> Counts,
    long? DurationP50Ms,
    long? DurationP95Ms,
    long? DurationMaxMs,
    long? LagP99Ms,
    DateTimeOffset? LastSuccess,
    DateTimeOffset? LastFailure,
    IReadOnlyList<DayStats> Days)
{
    public static async Task<JobStats> ReadAsync(ILogReader store, JobName job, DateOnly from, CancellationToken cancel)
    {
        var days = await store.ListStatsAsync(job, from, cancel);
        var words = Enum.GetValues<RunStatus>().Select(status => status.Word()).ToHashSet();
        var counts = days
            .SelectMany(day => day.Counts)
            .Where(count => words.Contains(count.Key))
            .GroupBy(count => count.Key)
            .ToDictionary(same => same.Key, same => same.Sum(count => count.Value));
        var longest = days.Select(day => day.Counts.GetValueOrDefault(DayKeys.Longest, -1)).DefaultIfEmpty(-1).Max();
        return new JobStats(
            counts,
            AtMost(DayStats.Percentile(days, 'd', 0.5), longest),
            AtMost(DayStats.Percentile(days, 'd', 0.95), longest),
            longest >= 0 ? longest : null,
            DayStats.Percentile(days, 'l', 0.99),
            await LastAsync(store, job, RunStatus.Succeeded, cancel),
            await LastAsync(store, job, RunStatus.Failed, cancel),
            days);
    }

    private static long? AtMost(long? percentile, long longest) => percentile is { } value ? Math.Min(value, longest) : null;

    private static async Task<DateTimeOffset?> LastAsync(ILogReader store, JobName job, RunStatus status, CancellationToken cancel) =>
        (await store.SearchAsync(new LogQuery(Job: job.Value, Status: status, Limit: 1), cancel)).Records is [var last]
            ? DateTimeOffset.FromUnixTimeMilliseconds(last.StartTime)
            : null;
}
