using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Worker.Logs;

/// <summary>What records add to the counts of their jobs' days.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class DayCounts
{
    private readonly Dictionary<(string Job, DateOnly Day), Dictionary<string, long>> _days = [];

    public bool IsEmpty => _days.Count == 0;

    /// <summary>
    /// The jobs' days with their counts, in the same order for all who write them; <see cref="DayKeys.Longest"/> is to be compared, all
    /// else to be added.
    /// </summary>
    public IReadOnlyList<(string Job, DateOnly Day, IReadOnlyDictionary<string, long> Counts)> InOrder =>
        [.. _days.OrderBy(day => day.Key.Job, StringComparer.Ordinal).ThenBy(day => day.Key.Day)
            .Select(day => (day.Key.Job, day.Key.Day, (IReadOnlyDictionary<string, long>)day.Value))];

    public void Add(RunRecord record) => Add(record.JobName, DayOf(record), Of(record));

    /// <summary>Takes back what a record that is replaced has added; a longest duration stays.</summary>
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

    /// <summary>What a record adds to the counts of its day; <see cref="DayKeys.Longest"/> is not added but compared.</summary>
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
