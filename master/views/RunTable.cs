using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Views;

/// <summary>The runs that have not ended, in flight or in the queue, and the requests to end them.</summary>
/// <remarks>
/// Not thread-safe; <see cref="ClusterState"/> owns it. Two watches follow flight and queue, so a run that is being claimed may be in both
/// for a moment, or in neither. A run in flight hides the queued one.
/// </remarks>
internal sealed class RunTable
{
    private readonly Dictionary<string, Dictionary<string, Held>> _inFlight = [];
    private readonly Dictionary<string, Dictionary<string, RunSpec>> _queued = [];
    // By run, the revision of the request; an empty run id = all runs.
    private readonly Dictionary<(string Job, string RunId), long> _kills = [];

    public int QueuedCount => _queued.Keys.Sum(CountQueued);

    /// <summary>The names of the jobs that have runs in flight or queued.</summary>
    public IEnumerable<string> Jobs => _inFlight.Keys.Union(_queued.Keys);

    public void PutInFlight(string job, string runId, ClaimedRun run, long createRevision) =>
        Of(_inFlight, job)[runId] = new Held(run, createRevision);

    /// <returns>The worker that held it; null = it was not there.</returns>
    public string? RemoveInFlight(string job, string runId)
    {
        var worker = _inFlight.TryGetValue(job, out var runs) && runs.TryGetValue(runId, out var held) ? held.Run.Worker : null;
        Remove(_inFlight, job, runId);
        return worker;
    }

    public void PutQueued(string job, string runId, RunSpec run) => Of(_queued, job)[runId] = run;

    public bool RemoveQueued(string job, string runId) => Remove(_queued, job, runId);

    public void PutKill(string job, string runId, long revision) => _kills[(job, runId)] = revision;

    public void RemoveKill(string job, string runId) => _kills.Remove((job, runId));

    public int CountInFlight(string job) => _inFlight.TryGetValue(job, out var runs) ? runs.Count : 0;

    public int CountQueued(string job) =>
        !_queued.TryGetValue(job, out var waiting) ? 0
        : _inFlight.TryGetValue(job, out var running) ? waiting.Keys.Count(runId => !running.ContainsKey(runId))
        : waiting.Count;

    /// <summary>A worker holds a run of the job.</summary>
    public bool IsHeldBy(string job, string worker) =>
        _inFlight.TryGetValue(job, out var runs) && runs.Values.Any(held => held.Run.Worker == worker);

    /// <summary>How many runs each worker has.</summary>
    public Dictionary<string, int> CountByWorker()
    {
        var counts = new Dictionary<string, int>();
        foreach (var held in _inFlight.Values.SelectMany(runs => runs.Values))
        {
            counts[held.Run.Worker] = counts.GetValueOrDefault(held.Run.Worker) + 1;
        }

        return counts;
    }

    /// <summary>All runs, those in flight first.</summary>
    public IReadOnlyList<UnendedRun> List() => [.. _inFlight.Keys.SelectMany(InFlightOf), .. _queued.Keys.SelectMany(QueuedOf)];

    public IEnumerable<UnendedRun> InFlightOf(string job) => _inFlight.TryGetValue(job, out var runs)
        ? runs.Select(run => UnendedRun.InFlight(job, run.Key, run.Value.Run, IsKillAsked(job, run.Key, run.Value)))
        : [];

    public IEnumerable<UnendedRun> QueuedOf(string job)
    {
        var running = _inFlight.GetValueOrDefault(job);
        return _queued.TryGetValue(job, out var waiting)
            ? waiting.Where(run => running?.ContainsKey(run.Key) != true).Select(run => UnendedRun.InQueue(job, run.Key, run.Value))
            : [];
    }

    private bool IsKillAsked(string job, string runId, Held held) =>
        (_kills.TryGetValue((job, ""), out var all) && all > held.CreateRevision)
        || (_kills.TryGetValue((job, runId), out var one) && one > held.CreateRevision);

    private static Dictionary<string, T> Of<T>(Dictionary<string, Dictionary<string, T>> table, string job) =>
        table.TryGetValue(job, out var runs) ? runs : table[job] = [];

    private static bool Remove<T>(Dictionary<string, Dictionary<string, T>> table, string job, string runId)
    {
        var isGone = table.TryGetValue(job, out var runs) && runs.Remove(runId);
        if (isGone && runs!.Count == 0)
        {
            table.Remove(job);
        }

        return isGone;
    }

    private readonly record struct Held(ClaimedRun Run, long CreateRevision);
}
