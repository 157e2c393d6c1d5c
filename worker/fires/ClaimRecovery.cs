using Dts.Common.Etcd;
using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>Finds out what a claim whose answer was lost has brought, from etcd's history.</summary>
internal sealed class ClaimRecovery(EtcdClient etcd, Keys keys, string workerId, LeaseId session)
{
    /// <summary>
    /// The answer that was lost; null = no run is in flight by that claim (any more). What it owed without a run, another finds in etcd.
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
