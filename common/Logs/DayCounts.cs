namespace Dts.Common.Logs;

/// <summary>What records add to their jobs' <see cref="DayStats"/>.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class DayCounts
{
    private readonly Dictionary<(string Job, DateOnly Day), Dictionary<string, long>> _days = [];

    public bool IsEmpty => _days.Count == 0;

    /// <summary>
    /// The jobs' days with their counts, in the same order for all who write them; <see cref="DayStats.Longest"/> is to be compared, all
    /// else to be added.
    /// </summary>
    public IReadOnlyList<(string Job, DateOnly Day, IReadOnlyDictionary<string, long> Counts)> InOrder =>
        [
            .. _days
                .OrderBy(day => day.Key.Job, StringComparer.Ordinal)
                .ThenBy(day => day.Key.Day)
                .Select(day => (day.Key.Job, day.Key.Day, (IReadOnlyDictionary<string, long>)day.Value)),
        ];

    public void Add(RunRecord record) => Add(record.JobName, DayStats.DayOf(record), DayStats.Of(record));

    /// <summary>Takes back what a record that is replaced has added; a longest duration stays.</summary>
    public void Subtract(RunRecord record) =>
        Add(
            record.JobName,
            DayStats.DayOf(record),
            DayStats.Of(record).Where(count => count.Key != DayStats.Longest).Select(count => (count.Key, -count.Count)));

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
            sums[key] = key == DayStats.Longest ? Math.Max(sum, count) : sum + count;
        }
    }
}
