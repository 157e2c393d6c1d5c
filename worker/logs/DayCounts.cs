using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Worker.Logs;

/// <summary>The counts that records add to the days of their jobs.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class DayCounts
{
    private readonly Dictionary<(string Job, DateOnly Day), Dictionary<string, long>> _days = [];

    public bool IsEmpty => _days.Count == 0;

    /// <summary>
    /// The days with their counts, in the same order for all writers. The store keeps the greater <see cref="DayKeys.Longest"/> and adds
    /// all others.
    /// </summary>
    public IReadOnlyList<(string Job, DateOnly Day, IReadOnlyDictionary<string, long> Counts)> InOrder =>
        [.. _days.OrderBy(day => day.Key.Job, StringComparer.Ordinal).ThenBy(day => day.Key.Day)
            .Select(day => (day.Key.Job, day.Key.Day, (IReadOnlyDictionary<string, long>)day.Value))];

    public void Add(RunRecord record) => Add(record.JobName, DayOf(record), Of(record));

    /// <summary>Subtracts what a replaced record had added; a longest duration stays.</summary>
    public void Subtract(RunRecord record) =>
        Add(
            record.JobName,
            DayOf(record),
            Of(record).Where(count => count.Key != DayKeys.Longest).Select(count => (count.Key, -count.Count)));

    public void Add(DayCounts others)
    {
        foreach (var (job, day, counts) in others.InOrder)
        {
            Add(job, day, counts.Select(count => (count.Key, count.Value)));
        }
    }

    private void Add(string job, DateOnly day, IEnumerable<(string Key, long Count)> counts)
    {
        var sums = _days.TryGetValue((job, day), out var there) ? there : _days[(job, day)] = [];
        foreach (var (key, count) in counts)
        {
            var sum = sums.GetValueOrDefault(key);
            sums[key] = key == DayKeys.Longest ? Math.Max(sum, count) : sum + count;
        }
    }

    /// <summary>The counts that a record adds to its day.</summary>
    private static IEnumerable<(string Key, long Count)> Of(RunRecord record)
    {
        yield return (record.Status.Word(), Math.Max(1, record.MissedCount));
        if (record.Status is RunStatus.Succeeded or RunStatus.Failed or RunStatus.TimedOut or RunStatus.Killed)
        {
            yield return ($"d{DayKeys.BucketOf(record.EndTime - record.StartTime)}", 1);
            yield return (DayKeys.Longest, record.EndTime - record.StartTime);
            if (record.Trigger == RunSpec.Schedule)
            {
                yield return ($"l{DayKeys.BucketOf(record.StartTime - record.PlanTime)}", 1);
            }
        }
    }

    private static DateOnly DayOf(RunRecord record) =>
        DateOnly.FromDateTime(DateTimeOffset.FromUnixTimeMilliseconds(record.PlanTime).UtcDateTime);
}
