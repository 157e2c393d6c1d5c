using System.Collections.Concurrent;
using Dts.Common.Jobs;

namespace Dts.Worker.Runs;

/// <summary>The runs that this worker holds, from the claim's answer until their completion stands in etcd. Thread-safe.</summary>
internal sealed class RunsInFlight
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<(JobName Name, string Id), Run> _runs = new();
    private readonly ConcurrentDictionary<JobName, bool> _short = new(); // Jobs whose last run here was short.

    public IEnumerable<Run> All => _runs.Values;

    /// <summary>
    /// How many slots are spoken for at a moment: by what is to start, and by what runs and is not certain to have ended by then.
    /// </summary>
    /// <param name="startedBefore">What started later will have ended by then, if the job's last run was short.</param>
    public int CountExpected(DateTimeOffset startedBefore) =>
        _runs.Values.Count(run => run.Command is not { } command
            || (!command.Ended.IsCompleted && (command.StartedAt < startedBefore || !_short.ContainsKey(run.Name))));

    public bool TryAdd(Run run) => _runs.TryAdd((run.Name, run.Id), run);

    public Run? Find(JobName name, string runId) => _runs.GetValueOrDefault((name, runId));

    public void Remove(Run run)
    {
        _runs.TryRemove((run.Name, run.Id), out _);
        if (run.Command is { Ended: { IsCompletedSuccessfully: true } ended } && ended.Result.EndedAt - ended.Result.StartedAt < Short)
        {
            _short[run.Name] = true;
        }
        else
        {
            _short.TryRemove(run.Name, out _);
        }
    }
}
