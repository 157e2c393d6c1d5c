using Dts.Common.Jobs;

namespace Dts.Worker.Runs;

/// <summary>
/// Runs that must not start although they were claimed: all runs of a job, or one run, if claimed before a revision. An entry is kept as
/// long as the answer to such a claim may still arrive.
/// </summary>
/// <remarks>Not thread-safe. <c>Fires</c> owns it.</remarks>
internal sealed class Cancellations
{
    private static readonly TimeSpan Stand = TimeSpan.FromMinutes(2); // Every claim is answered sooner.

    private readonly Dictionary<(JobName Name, string RunId), (long Revision, string Why, DateTimeOffset At)> _kept = [];
    private DateTimeOffset _prunedAt;

    /// <param name="runId">Empty = all runs of the job.</param>
    public void Add(JobName name, string runId, long revision, string why, DateTimeOffset now)
    {
        if ((now - _prunedAt).Duration() > Stand)
        {
            _prunedAt = now;
            _kept.Where(entry => now - entry.Value.At > Stand).Select(entry => entry.Key).ToList().ForEach(old => _kept.Remove(old));
        }

        if (!_kept.TryGetValue((name, runId), out var known) || known.Revision < revision || now - known.At > Stand)
        {
            _kept[(name, runId)] = (revision, why, now);
        }
    }

    /// <summary>For a restored or wiped etcd: its revisions cannot be compared with those noted here.</summary>
    public void Clear() => _kept.Clear();

    /// <summary>Why a run must not start; null = it may.</summary>
    public string? FindWhy(Run run, DateTimeOffset now) => FindWhy(run, runId: "", now) ?? FindWhy(run, run.Id, now);

    private string? FindWhy(Run run, string runId, DateTimeOffset now) =>
        _kept.TryGetValue((run.Name, runId), out var kept) && run.FencingToken < kept.Revision && now - kept.At <= Stand ? kept.Why : null;
}
