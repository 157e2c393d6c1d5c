using Dts.Common;
using Dts.Common.Etcd;
using Dts.Common.Etcd.Wire;
using Dts.Common.Jobs;

namespace Dts.Master;

/// <summary>The jobs as they stand in etcd.</summary>
internal sealed class JobStore(EtcdClient etcd, Keys keys, TimeProvider time)
{
    private const int SaveTries = 20;
    private const string By = "master";

    // Fires are claimed seconds ahead; a cursor beyond this was put by a clock that was wrong, and would hold up the job until then.
    private static readonly TimeSpan FurthestAhead = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan KillStandsFor = TimeSpan.FromSeconds(60);

    /// <summary>All jobs that can be read, in the order of their names' bytes.</summary>
    public async Task<IReadOnlyList<Job>> ListAsync(CancellationToken cancel) =>
        [.. (await etcd.ListAsync(keys.Jobs, cancel)).Select(Parse).OfType<Job>()];

    /// <summary>Creates or replaces a job and returns the one it replaced.</summary>
    /// <remarks>
    /// The cursor is put in the same transaction, always: moved forward to now when the schedule changed or the job was enabled, for neither
    /// makes missed fires, else as it stood. So a job that is newer than its cursor was put by hand, and its past is unknown.
    /// </remarks>
    public async Task<Job?> SaveAsync(Job job, CancellationToken cancel)
    {
        var name = JobName.Parse(job.Name);
        for (var attempt = 1; ; attempt++)
        {
            var found = await etcd.TxnAsync(Txn.All([Txn.Get(keys.Job(name)), Txn.Get(keys.Fired(name))]), repeatable: true, cancel);
            var oldJob = found.Responses[0].ResponseRange.Kvs.FirstOrDefault();
            var oldCursor = found.Responses[1].ResponseRange.Kvs.FirstOrDefault();
            var previous = oldJob is null ? null : Parse(oldJob);
            var save = Txn
                .If(Txn.Unchanged(keys.Job(name), oldJob?.ModRevision ?? 0), Txn.Unchanged(keys.Fired(name), oldCursor?.ModRevision ?? 0))
                .Then(Txn.Put(keys.Job(name), JobJson.ToJson(job)), Txn.Put(keys.Fired(name), NextCursor(previous, job, oldCursor)));
            if ((await etcd.TxnAsync(save, cancel: cancel)).Succeeded)
            {
                return previous;
            }

            if (attempt == SaveTries)
            {
                throw new EtcdException(EtcdError.Unavailable, $"job {name} was changed by others {SaveTries} times while it was saved; try again");
            }
        }
    }

    /// <summary>Removes a job and returns it; null = there was none. Its cursor stays for a while, so that a job of the same name starts no fire twice.</summary>
    public async Task<Job?> DeleteAsync(JobName name, CancellationToken cancel)
    {
        var answer = await etcd.DeleteAsync(keys.Job(name), cancel);
        return answer.PrevKvs.Count > 0 ? Parse(answer.PrevKvs[0]) : null;
    }

    /// <summary>Asks for the end of what runs of a job. The request stands for a minute, for workers that are cut off now.</summary>
    public async Task KillAsync(JobName name, CancellationToken cancel)
    {
        var lease = await etcd.GrantAsync(KillStandsFor, cancel);
        await etcd.PutAsync(keys.Killer(name), "", lease, cancel);
    }

    private static Job? Parse(KeyValue pair) => JobJson.TryParse(pair.Value.Memory, out var job, out _) ? job : null;

    private string NextCursor(Job? previous, Job job, KeyValue? oldCursor)
    {
        var now = time.GetUtcNow();
        var moved = previous is null || !previous.HasScheduleOf(job) || (job.Enabled && !previous.Enabled);
        return oldCursor is not null
            && Cursor.TryParse(oldCursor.Value.ToStringUtf8(), out var cursor)
            && cursor.PlanTime < now + FurthestAhead
            && (!moved || cursor.PlanTime >= now)
                ? oldCursor.Value.ToStringUtf8()
                : new Cursor(now, By, "-", Cursor.Moved).ToString();
    }
}
