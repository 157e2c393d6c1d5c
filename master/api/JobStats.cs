using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>Statistics of a job's planned fires over some days (UTC, by plan time).</summary>
/// <param name="From">The first day.</param>
/// <param name="Endings">Planned fires by how they ended; endings without any are left out.</param>
/// <param name="Lag">How late scheduled runs started.</param>
/// <param name="Memory">Null = not known for any of the latest runs.</param>
/// <param name="Workers">How many of the latest runs each worker has run.</param>
/// <param name="LatestRuns">The number of latest runs behind <see cref="Memory"/> and <see cref="Workers"/>.</param>
/// <param name="LastSuccess">Null = there is none in the log.</param>
/// <param name="ByDay">The oldest day first; days without any are left out.</param>
internal sealed record JobStats(
    DateOnly From,
    IReadOnlyDictionary<string, long> Endings,
    Spread? Duration,
    Spread? Lag,
    MemoryUse? Memory,
    IReadOnlyDictionary<string, int> Workers,
    int LatestRuns,
    LatestRun? LastSuccess,
    LatestRun? LastFailure,
    IReadOnlyList<DayOfJob> ByDay)
{
    private const int LatestMax = 100;

    private static readonly RunStatus[] Failures = [RunStatus.Failed, RunStatus.TimedOut, RunStatus.Lost];

    public static async Task<JobStats> ReadAsync(ILogReader store, JobName job, DateOnly from, CancellationToken cancel)
    {
        var days = await store.ListStatsAsync(job, from, cancel);
        var latest = (await store.SearchAsync(new LogQuery(Job: job.Value, Limit: LatestMax), cancel)).Records
            .Where(record => EndedRun.HasRun(record.Status))
            .ToList();
        var failures = new List<LatestRun?>();
        foreach (var status in Failures)
        {
            failures.Add(await LastAsync(store, job, status, cancel));
        }

        return new JobStats(
            from,
            EndingsOf(days),
            Spread.Of(days, 'd'),
            Spread.Of(days, 'l'),
            MemoryUse.Of(latest),
            latest.GroupBy(record => record.Worker).OrderBy(same => same.Key).ToDictionary(same => same.Key, same => same.Count()),
            latest.Count,
            await LastAsync(store, job, RunStatus.Succeeded, cancel),
            failures.MaxBy(run => run?.StartedAt),
            [.. days.Select(day => new DayOfJob(day.Day, EndingsOf([day]), Spread.Of([day], 'd'), Spread.Of([day], 'l')))]);
    }

    private static Dictionary<string, long> EndingsOf(IReadOnlyList<DayStats> days) => Enum.GetValues<RunStatus>()
        .Select(status => (Word: status.Word(), Count: days.Sum(day => day.Counts.GetValueOrDefault(status.Word()))))
        .Where(ending => ending.Count > 0)
        .ToDictionary(ending => ending.Word, ending => ending.Count);

    private static async Task<LatestRun?> LastAsync(ILogReader store, JobName job, RunStatus status, CancellationToken cancel) =>
        (await store.SearchAsync(new LogQuery(Job: job.Value, Status: status, Limit: 1), cancel)).Records is [var last]
            ? new LatestRun(EndedRun.RunIdOf(last.Id, last.JobName), last.Status, DateTimeOffset.FromUnixTimeMilliseconds(last.StartTime))
            : null;
}

/// <summary>The spread of times in milliseconds. Percentiles are those of buckets, and at most a fifth too high.</summary>
/// <param name="Runs">The number of runs.</param>
/// <param name="MaxMs">Null = not known: only the buckets of lags are kept.</param>
internal sealed record Spread(long Runs, long P50Ms, long P95Ms, long P99Ms, long? MaxMs)
{
    /// <summary>Null = there were no runs.</summary>
    public static Spread? Of(IReadOnlyList<DayStats> days, char of)
    {
        long? longest = of == 'd' && days.Any(day => day.Counts.ContainsKey(DayKeys.Longest))
            ? days.Max(day => day.Counts.GetValueOrDefault(DayKeys.Longest))
            : null;
        return Percentile(0.5) is { } median
            ? new Spread(DayStats.CountOf(days, of), median, Percentile(0.95) ?? median, Percentile(0.99) ?? median, longest)
            : null;

        long? Percentile(double share) => DayStats.Percentile(days, of, share) is { } value ? Math.Min(value, longest ?? value) : null;
    }
}

/// <summary>The memory of runs: of all their processes if they had a cgroup, otherwise of the largest process.</summary>
/// <param name="Runs">The number of runs whose memory is known.</param>
internal sealed record MemoryUse(int Runs, long P50Bytes, long MaxBytes)
{
    /// <summary>Null = not known for any of them.</summary>
    public static MemoryUse? Of(IReadOnlyList<RunRecord> runs)
    {
        var bytes = runs
            .Select(run => run.PeakMemoryBytes > 0 ? run.PeakMemoryBytes : run.MaxRssKb * 1024)
            .Where(known => known > 0)
            .Order()
            .ToList();
        return bytes.Count > 0 ? new MemoryUse(bytes.Count, bytes[(bytes.Count - 1) / 2], bytes[^1]) : null;
    }
}

internal sealed record LatestRun(string RunId, RunStatus Ending, DateTimeOffset StartedAt);

internal sealed record DayOfJob(DateOnly Day, IReadOnlyDictionary<string, long> Endings, Spread? Duration, Spread? Lag);
