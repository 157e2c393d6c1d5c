using Dts.Common.Etcd;
using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>Finds out from etcd whether a claim whose answer was lost was granted.</summary>
internal sealed class ClaimRecovery(EtcdClient etcd, Keys keys, string workerId, LeaseId session)
{
    /// <summary>
    /// The answer that was lost; null = no run of that claim is in flight. An owed ending that the claim wrote is recorded by the reaper.
    /// </summary>
    /// <exception cref="EtcdException">Compacted: the history is gone.</exception>
    public async Task<ClaimAnswer.Mine?> FindAsync(Fire fire)
    {
        var pair = await etcd.FindAsync(keys.Run(fire.Name, fire.RunId));
        return pair is not null
            && Documents.TryReadInFlight(fire.RunId, pair.Value.Span, out var run, out _) // The reaper reports and removes any other.
            && run.Worker == workerId && run.Session == session.ToString()
            && await etcd.FindAsync(keys.Job(fire.Name), pair.CreateRevision) is { } job
            ? new ClaimAnswer.Mine(job, pair.CreateRevision, session)
            : null;
    }
}
