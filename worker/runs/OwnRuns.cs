using System.Collections.Concurrent;
using Dts.Common.Jobs;

namespace Dts.Worker.Runs;

/// <summary>The runs that this worker holds, from the claim's answer until etcd has their completion. Thread-safe.</summary>
internal sealed class OwnRuns
{
    private readonly ConcurrentDictionary<(JobName Name, string Id), Run> _runs = new();

    /// <summary>Raised when etcd has the completion of a run, on the thread that wrote it.</summary>
    public event Action<Run>? Completed;

    /// <summary>All runs, read while they are enumerated.</summary>
    public IEnumerable<Run> All => _runs.Select(pair => pair.Value);

    public bool TryAdd(Run run) => _runs.TryAdd((run.Name, run.Id), run);

    public Run? Find(JobName name, string runId) => _runs.GetValueOrDefault((name, runId));

    public void Remove(Run run)
    {
        if (_runs.TryRemove((run.Name, run.Id), out _))
        {
            Completed?.Invoke(run);
        }
    }
}
