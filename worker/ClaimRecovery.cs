using System.Text.Json;
using Dts.Common;
using Dts.Common.Etcd;
using Dts.Common.Jobs;

namespace Dts.Worker;

/// <summary>Finds out what a claim whose answer was lost has brought, from etcd's history.</summary>
internal sealed class ClaimRecovery(EtcdClient etcd, Keys keys, string workerId, Session session)
{
    /// <summary>Whether a cursor says that this session dealt with this fire.</summary>
    public static bool IsOurs(Cursor cursor, Fire fire, string workerId, Session session) =>
        cursor.PlanTime == fire.PlanTime && cursor.By == workerId && cursor.Session == session.Lease.ToString();

    /// <summary>The answer that was lost; null = the run is not in flight any more.</summary>
    /// <exception cref="EtcdException">Compacted: the history is gone.</exception>
    public async Task<ClaimAnswer?> FindAsync(Fire fire, Cursor cursor)
    {
        var isClaimed = cursor.What == Cursor.Claimed;
        if (await (isClaimed ? FindRunAsync(fire) : FindCursorAsync(fire)) is not { } revision)
        {
            return null;
        }

        var job = await etcd.FindAsync(keys.Job(fire.Name), revision);
        var oldCursor = await etcd.FindAsync(keys.Fired(fire.Name), revision - 1);
        return (job, isClaimed) switch
        {
            (null, _) => null,
            (_, true) => new ClaimAnswer.Mine(job, oldCursor, revision, session.Lease),
            _ => new ClaimAnswer.Closed(job, oldCursor, cursor.What),
        };
    }

    /// <summary>The revision at which the run was claimed.</summary>
    private async Task<long?> FindRunAsync(Fire fire)
    {
        var pair = await etcd.FindAsync(keys.Run(fire.Name, fire.RunId));
        var run = pair is null ? null : JsonSerializer.Deserialize(pair.Value.Span, DtsJson.Readable.RunInFlight);
        return run?.Worker == workerId && run.Session == session.Lease.ToString() ? pair!.CreateRevision : null;
    }

    private async Task<long?> FindCursorAsync(Fire fire) => (await etcd.FindAsync(keys.Fired(fire.Name)))?.ModRevision;
}
