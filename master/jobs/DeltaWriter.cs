using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;

namespace Dts.Master.Jobs;

/// <param name="Revision">Of the transaction that wrote it.</param>
internal readonly record struct WrittenJob(JobDelta Delta, long Revision);

/// <summary>Writes deltas in batches, and remembers which of them etcd has accepted.</summary>
/// <remarks>Not thread-safe. <see cref="JobSets"/> describes the scheme.</remarks>
internal sealed class DeltaWriter(EtcdClient etcd, Keys keys, JobStore jobs)
{
    private const int OperationsMax = 120;
    private const int BatchBytesMax = 1 << 20;
    private const int BatchTries = 4;

    private readonly Dictionary<JobName, WrittenJob> _written = [];
    private List<JobDelta> _unanswered = [];

    public IReadOnlyDictionary<JobName, WrittenJob> Written => _written;

    /// <summary>The batch that was sent and not answered: it may have been written.</summary>
    public IReadOnlyList<JobDelta> Unanswered => _unanswered;

    /// <summary>False = a job has changed meanwhile, and a new plan is needed.</summary>
    /// <param name="guard">Returns false if any job was saved after this revision; null = no check.</param>
    /// <param name="leavesOut">A job that has changed meanwhile is left out; otherwise it ends the writing.</param>
    public async Task<bool> WriteAsync(List<JobDelta> deltas, long? guard, bool leavesOut, CancellationToken cancel)
    {
        var failures = 0;
        for (var at = 0; at < deltas.Count;)
        {
            var batch = deltas.Skip(at).Take(JobCalls.JobsInRequest).Select(delta => delta.Name);
            var (txn, count) = Fill(guard, deltas, at, await jobs.Calls.ReadAsync(batch, cancel));
            if (count == 0 && leavesOut)
            {
                at++;
                continue;
            }

            if (count == 0)
            {
                return false;
            }

            _unanswered = deltas.GetRange(at, count);
            var answer = await etcd.TxnAsync(txn, cancel: cancel);
            if (answer.Succeeded)
            {
                _unanswered.ForEach(delta => Note(delta, answer.Header.Revision));
                guard = guard is null ? null : answer.Header.Revision;
                (at, failures) = (at + count, 0);
            }

            _unanswered = [];
            if (!answer.Succeeded
                && (answer.Responses is [{ ResponseRange.Kvs.Count: > 0 }] || (++failures >= BatchTries && !leavesOut)))
            {
                return false; // A job was saved after the guard's revision, or a cursor moves again and again.
            }
        }

        return true;
    }

    /// <summary>Asks etcd whether the unanswered batch was written.</summary>
    public async Task LookAtUnansweredAsync(CancellationToken cancel)
    {
        foreach (var delta in _unanswered.ToList())
        {
            var job = await etcd.FindAsync(keys.Job(delta.Name), cancel: cancel);
            if (delta.After is null ? job is null : job?.Value.ToStringUtf8() == JobJson.ToJson(delta.After))
            {
                Note(delta, job?.ModRevision ?? 0);
            }

            _unanswered.Remove(delta);
        }
    }

    /// <summary>A job that is written again is one change, from its first state.</summary>
    private void Note(JobDelta delta, long revision) => _written[delta.Name] = new WrittenJob(
        _written.TryGetValue(delta.Name, out var earlier) ? delta.Following(earlier.Delta) : delta, revision);

    /// <summary>A transaction with as many deltas as it takes; none = the first job is not the one that the plan started from.</summary>
    private (TxnRequest Txn, int Count) Fill(long? guard, List<JobDelta> deltas, int at, IReadOnlyList<JobInEtcd> found)
    {
        var txn = new TxnRequest();
        if (guard is { } revision)
        {
            txn.Compare.Add(Txn.NoneChangedUnder(keys.Jobs, revision));
            txn.Else(SavedAfter(revision));
        }

        var change = jobs.StartChange();
        var bytes = 0;
        for (var n = 0; n < found.Count; n++)
        {
            var delta = deltas[at + n];
            if (found[n].Revision != delta.Revision)
            {
                return (txn, n);
            }

            var one = new TxnRequest();
            change.Add(one, delta.Name, found[n], delta.After);
            bytes += one.CalculateSize();
            var isFull = txn.Compare.Count + one.Compare.Count > OperationsMax
                || txn.Success.Count + one.Success.Count > OperationsMax
                || bytes > BatchBytesMax;
            if (n > 0 && isFull)
            {
                return (txn, n);
            }

            txn.Compare.AddRange(one.Compare);
            txn.Success.AddRange(one.Success);
        }

        return (txn, found.Count);
    }

    private RequestOp SavedAfter(long revision)
    {
        var saved = Txn.List(keys.Jobs, keysOnly: true);
        saved.RequestRange.MinModRevision = revision + 1;
        saved.RequestRange.Limit = 1;
        return saved;
    }
}
