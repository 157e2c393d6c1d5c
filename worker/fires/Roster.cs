using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>The live workers, and which of them may run a job.</summary>
/// <remarks>Not thread-safe. <see cref="Fires"/> owns it. This worker is always in it.</remarks>
internal sealed class Roster(string me, IReadOnlyDictionary<string, string> myLabels)
{
    private readonly Dictionary<string, IReadOnlyDictionary<string, string>> _labels = new() { [me] = myLabels };

    private readonly HashSet<string> _drained = [];

    public IReadOnlyCollection<string> All => _labels.Keys;

    /// <summary>True when the worker is new or its labels have changed. Workers rewrite their registrations every ten seconds.</summary>
    public bool Add(string id, IReadOnlyDictionary<string, string> labels)
    {
        if (id == me || (_labels.TryGetValue(id, out var known) && known.Count == labels.Count && known.All(labels.Contains)))
        {
            return false;
        }

        _labels[id] = labels;
        return true;
    }

    /// <summary>Replaces this worker's own labels.</summary>
    public void Relabel(IReadOnlyDictionary<string, string> labels) => _labels[me] = labels;

    public void Remove(string id)
    {
        if (id != me)
        {
            _labels.Remove(id);
        }
    }

    /// <summary>Marks a worker, live or not, as drained, or removes the mark.</summary>
    /// <returns>True if that changed something.</returns>
    public bool Drain(string id, bool isOn) => isOn ? _drained.Add(id) : _drained.Remove(id);

    /// <summary>The labels of a worker that may run jobs; null = it is not live, or drained.</summary>
    public IReadOnlyDictionary<string, string>? LabelsOf(string id) => _drained.Contains(id) ? null : _labels.GetValueOrDefault(id);

    /// <summary>The live workers that a target names, without those that are drained.</summary>
    public IReadOnlyCollection<string> Matching(Target target) => target.IsAnyone && _drained.Count == 0
        ? All
        : [.. _labels
            .Where(worker => !_drained.Contains(worker.Key) && target.Matches(worker.Key, worker.Value))
            .Select(worker => worker.Key)];

    /// <summary>This worker's run of a plan time in mode all.</summary>
    /// <param name="workers">All workers that run it.</param>
    public RunSpec ShardOf(DateTimeOffset planTime, IEnumerable<string> workers)
    {
        var sorted = workers.Order(StringComparer.Ordinal).ToList();
        return RunSpec.Scheduled(planTime) with { Worker = me, ShardIndex = sorted.IndexOf(me), ShardTotal = sorted.Count };
    }

    /// <summary>
    /// The live workers that may claim a run: the one that it is bound to, else those of the job's target, without the one to avoid if
    /// there is another.
    /// </summary>
    public IReadOnlyCollection<string> Candidates(RunSpec run, Target target)
    {
        if (run.Worker.Length > 0)
        {
            return LabelsOf(run.Worker) is null ? [] : [run.Worker];
        }

        var matching = Matching(target);
        return run.Avoid.Length > 0 && matching.Any(worker => worker != run.Avoid)
            ? [.. matching.Where(worker => worker != run.Avoid)]
            : matching;
    }
}
