using Dts.Common.Cron;
using Dts.Common.Jobs;

namespace Dts.Master.Views;

/// <summary>The jobs of the view, sorted by name.</summary>
/// <remarks>
/// Not thread-safe; <see cref="ClusterState"/> owns it. etcd lists jobs in this order, so a first load only appends. A later job moves
/// a part of the list of references.
/// </remarks>
internal sealed class JobTable(CronZone defaultZone)
{
    private const int SharedMax = 100_000;

    private readonly JobReader _reader = new();
    private readonly List<JobEntry> _sorted = [];

    // Most jobs of a cluster have many equal texts.
    private readonly Dictionary<(string CronExpr, string TimeZone), Timing> _timings = [];
    private readonly Dictionary<string, string> _texts = [];
    private readonly Dictionary<string, IReadOnlyList<KeyValuePair<string, string>>> _labels = [];

    /// <summary>In the order of their names.</summary>
    public IReadOnlyList<JobEntry> Sorted => _sorted;

    public JobEntry? Find(string name) => IndexOf(name) is var index && IsAt(index, name) ? _sorted[index] : null;

    /// <summary>The index of the first job whose name is not below this one.</summary>
    public int IndexOf(string name)
    {
        var (low, high) = (0, _sorted.Count);
        if (high > 0 && string.CompareOrdinal(_sorted[^1].Name, name) < 0)
        {
            return high; // As in a first load.
        }

        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = string.CompareOrdinal(_sorted[middle].Name, name) < 0 ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <returns>True = the job was not there.</returns>
    public bool Put(JobName name, ReadOnlyMemory<byte> value)
    {
        var index = IndexOf(name.Value);
        var isNew = !IsAt(index, name.Value);
        if (isNew)
        {
            _sorted.Insert(index, new JobEntry(name.Value));
        }

        var entry = _sorted[index];
        if (!_reader.TryParse(value, out var job, out var why, out var unrunnable))
        {
            entry.TakeUnreadable(why);
            return isNew;
        }

        var broken = job.Name != name.Value ? "its name differs from its key; save it again" : unrunnable;
        entry.Take(job, TimingOf(job, ref broken), broken, ShareLabels(job.Labels), Share(job.User));
        return isNew;
    }

    public void Remove(JobName name)
    {
        if (IndexOf(name.Value) is var index && IsAt(index, name.Value))
        {
            _sorted.RemoveAt(index);
        }
    }

    public string Share(string text)
    {
        if (text.Length == 0)
        {
            return "";
        }

        if (!_texts.TryGetValue(text, out var shared))
        {
            Bound(_texts);
            _texts[text] = shared = text;
        }

        return shared;
    }

    private bool IsAt(int index, string name) => index < _sorted.Count && _sorted[index].Name == name;

    private Timing TimingOf(Job job, ref string broken)
    {
        if (_timings.TryGetValue((job.CronExpr, job.TimeZone), out var shared))
        {
            return shared;
        }

        if (!JobSchedule.TryParse(job, defaultZone, out var schedule, out var why))
        {
            broken = broken.Length > 0 ? broken : why;
            return new Timing(job.CronExpr, job.TimeZone, null);
        }

        var timing = new Timing(job.CronExpr, Share(job.TimeZone), schedule);
        if (!schedule.Expression.DependsOnHashKey)
        {
            Bound(_timings);
            _timings[(job.CronExpr, job.TimeZone)] = timing;
        }

        return timing;
    }

    private IReadOnlyList<KeyValuePair<string, string>> ShareLabels(IReadOnlyDictionary<string, string> labels)
    {
        if (labels.Count == 0)
        {
            return [];
        }

        // With lengths, because a label may contain any letter.
        var key = string.Concat(labels.Select(label => $"{label.Key.Length} {label.Value.Length} {label.Key}{label.Value}"));
        if (!_labels.TryGetValue(key, out var shared))
        {
            Bound(_labels);
            _labels[key] = shared = [.. labels];
        }

        return shared;
    }

    /// <summary>Forgets shared texts when there are many, because those of deleted jobs must not stay forever.</summary>
    private static void Bound<TKey, TValue>(Dictionary<TKey, TValue> shared)
        where TKey : notnull
    {
        if (shared.Count >= SharedMax)
        {
            shared.Clear();
        }
    }
}
