using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;

namespace Dts.Master.Jobs;

/// <summary>Many jobs at once.</summary>
/// <remarks>
/// <para>Constraint: etcd takes 128 operations and 1.5 MiB a transaction, so a set is written in batches.</para>
/// <para>Scheme: a batch is written only if its jobs still have the revisions of the plan, and, if the set has dependents, no other job was
/// saved meanwhile (it might close a circle). When the condition fails, a new plan is made from the new state; in it, the jobs that are
/// written already are unchanged. When the new plan has faults, what was written is put back.</para>
/// <para>A job that another client changes before its batch is written becomes that of the set; one that another client changes after its
/// batch stays as that client has left it, also when the rest is put back.</para>
/// </remarks>
internal sealed partial class JobStore
{
    private const int JobsInBatch = 24;
    private const int ReadsOfJob = 5;
    private const int OperationsMax = 120;
    private const int BatchBytesMax = 1 << 20;
    private const int Plans = 5;
    private const int BatchTries = 4;
    private const int NamesJudgedAtOnce = 8;

    private static readonly TimeSpan UndoWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan UndoOfJobWithin = TimeSpan.FromMilliseconds(3);

    /// <param name="wanted">Names that the caller wants jobs to have.</param>
    public async Task<StoredJobs> ReadAllAsync(IEnumerable<string> wanted, CancellationToken cancel)
    {
        var (found, revision) = await TableLoader.LoadAsync(etcd, keys.Jobs, cancel);
        var stored = new StoredJobs(
            found.Where(pair => Keys.TryParseName(pair.Key.ToStringUtf8(), keys.Jobs, out _))
                .ToDictionary(pair => pair.Key.ToStringUtf8()[keys.Jobs.Length..], pair => (Parse(pair), pair.ModRevision)),
            revision);
        return stored with { Foreign = await ListForeignAsync(stored, wanted, cancel) };
    }

    /// <summary>The free names among those wanted that the caller may not take.</summary>
    private async Task<IReadOnlySet<string>> ListForeignAsync(StoredJobs stored, IEnumerable<string> wanted, CancellationToken cancel)
    {
        var allowed = Rights;
        HashSet<string> foreign = [];
        if (!allowed.IsLimited)
        {
            return foreign;
        }

        var names = wanted.Select(name => ApplyPlan.StoredName(name, stored)).Distinct();
        var free = names.Where(name => !stored.Jobs.ContainsKey(name) && JobName.TryParse(name, out _, out _));
        foreach (var some in free.Chunk(NamesJudgedAtOnce))
        {
            var judged = await Task.WhenAll(some.Select(name => allowed.MayTakeAsync(JobName.Parse(name), cancel)));
            foreign.UnionWith(some.Where((_, i) => !judged[i]));
        }

        return foreign;
    }

    /// <summary>Makes a plan and carries it out; returns it as it was carried out. A plan with faults changes nothing.</summary>
    /// <param name="wanted">Names that the plan's jobs may have.</param>
    /// <exception cref="ApplyInterruptedException">Some of it was written, and the rest could not be.</exception>
    public async Task<ApplyPlan> ApplyAsync(
        Func<StoredJobs, ApplyPlan> makePlan, CancellationToken cancel, IReadOnlyCollection<string>? wanted = null)
    {
        Dictionary<JobName, WrittenJob> applied = [];
        IReadOnlyList<JobDelta> batch = [];
        try
        {
            for (var tries = 1; tries <= Plans; tries++)
            {
                var stored = await ReadAllAsync(wanted ?? [], cancel);
                stored = stored with { Kept = ChangedSince(applied, stored) };
                var plan = makePlan(stored);
                if (plan.Faults.Count > 0)
                {
                    return applied.Count == 0 ? plan : throw new EtcdException(EtcdError.Refused, plan.Faults[0].Detail);
                }

                var guard = plan.Deltas.Any(delta => delta.After?.Dependents.Any() == true) ? stored.Revision : (long?)null;
                var changes = plan.Deltas.Where(delta => delta.Kind != JobChangeKind.Unchanged).ToList();
                if (await WriteAsync(changes, guard, applied, next => batch = next, cancel))
                {
                    applied.Values.ToList().ForEach(job => Rights.Noted?.Invoke(job.Delta.Name, job.Delta.Before, job.Delta.After));
                    var written = applied.ToDictionary(
                        job => job.Key,
                        job => stored.Kept.Contains(job.Key) ? job.Value.Delta.ChangedByOthers() : job.Value.Delta);
                    return plan with
                    {
                        Deltas =
                        [
                            .. plan.Deltas.Select(delta => written.Remove(delta.Name, out var done) ? done : delta),
                            .. written.Values, // Deleted, or changed by others, before the last plan was made.
                        ],
                    };
                }
            }

            throw new EtcdException(EtcdError.Unavailable, $"jobs were changed by others {Plans} times while the set was applied");
        }
        catch (Exception failure) when (
            failure is EtcdException or OperationCanceledException && (applied.Count > 0 || batch.Count > 0))
        {
            throw await UndoAsync(applied, batch, failure);
        }
    }

    /// <summary>The jobs that are not as the apply has written them.</summary>
    private static HashSet<string> ChangedSince(Dictionary<JobName, WrittenJob> applied, StoredJobs stored) =>
    [
        .. applied
            .Where(job => stored.Jobs.GetValueOrDefault(job.Key.Value).Revision != (job.Value.Delta.After is null ? 0 : job.Value.Revision))
            .Select(job => job.Key.Value),
    ];

    /// <summary>Writes deltas in batches; false = a job has changed meanwhile, and a new plan is needed.</summary>
    /// <param name="guard">No job may have been saved after this revision; null = any may.</param>
    /// <param name="sending">Called with each batch before it is sent, and with none when it is answered.</param>
    /// <param name="leavesOut">A job that has changed meanwhile is left out; else it ends the writing.</param>
    private async Task<bool> WriteAsync(
        List<JobDelta> deltas,
        long? guard,
        Dictionary<JobName, WrittenJob> applied,
        Action<IReadOnlyList<JobDelta>> sending,
        CancellationToken cancel,
        bool leavesOut = false)
    {
        var failures = 0;
        for (var at = 0; at < deltas.Count;)
        {
            var read = await etcd.TxnAsync(
                Txn.All([.. deltas.Skip(at).Take(JobsInBatch).SelectMany(delta => ReadsOf(delta.Name)), Txn.List(keys.Workers)]),
                repeatable: true,
                cancel);
            var txn = new TxnRequest();
            if (guard is { } revision)
            {
                txn.Compare.Add(Txn.NoneChangedUnder(keys.Jobs, revision));
                txn.Else(SavedAfter(revision));
            }

            var count = Fill(txn, deltas, at, read);
            if (count == 0 && leavesOut)
            {
                at++;
                continue;
            }

            if (count == 0)
            {
                return false;
            }

            sending(deltas.GetRange(at, count));
            var answer = await etcd.TxnAsync(txn, cancel: cancel);
            sending([]);
            if (answer.Succeeded)
            {
                deltas.GetRange(at, count).ForEach(delta => Note(applied, delta, answer.Header.Revision));
                guard = guard is null ? null : answer.Header.Revision;
                (at, failures) = (at + count, 0);
            }
            else if (answer.Responses is [{ ResponseRange.Kvs.Count: > 0 }] || (++failures >= BatchTries && !leavesOut))
            {
                return false; // A job was saved after the guard's revision, or a cursor moves again and again.
            }
        }

        return true;
    }

    /// <summary>A job that is written again is one change, from what was there first.</summary>
    private static void Note(Dictionary<JobName, WrittenJob> applied, JobDelta delta, long revision) =>
        applied[delta.Name] = new WrittenJob(
            applied.TryGetValue(delta.Name, out var earlier) ? delta.Following(earlier.Delta) : delta, revision);

    private RequestOp SavedAfter(long revision)
    {
        var saved = Txn.List(keys.Jobs, keysOnly: true);
        saved.RequestRange.MinModRevision = revision + 1;
        saved.RequestRange.Limit = 1;
        return saved;
    }

    private RequestOp[] ReadsOf(JobName name) =>
    [
        Txn.Get(keys.Job(name)),
        Txn.Get(keys.Fired(name)),
        Txn.List(keys.FiredByWorkers(name)),
        Txn.Get(keys.History(name)),
        Txn.List(keys.VersionsOf(name), keysOnly: true),
    ];

    /// <summary>Adds as many deltas as one transaction takes, at least one; 0 = the first is not what the plan started from.</summary>
    private int Fill(TxnRequest txn, List<JobDelta> deltas, int at, TxnResponse read)
    {
        var found = read.Responses.Select(response => response.ResponseRange.Kvs).ToList();
        var jobs = (found.Count - 1) / ReadsOfJob;
        var bytes = 0;
        for (var n = 0; n < jobs; n++)
        {
            var delta = deltas[at + n];
            var state = found.GetRange(ReadsOfJob * n, ReadsOfJob);
            if ((state[0].FirstOrDefault()?.ModRevision ?? 0) != delta.Revision)
            {
                return n;
            }

            var one = new TxnRequest();
            AddChange(one, delta.Name, delta.Before, delta.After, [.. state[..4], found[^1], state[4]]);
            bytes += one.CalculateSize();
            var isFull = txn.Compare.Count + one.Compare.Count > OperationsMax
                || txn.Success.Count + one.Success.Count > OperationsMax
                || bytes > BatchBytesMax;
            if (n > 0 && isFull)
            {
                return n;
            }

            txn.Compare.AddRange(one.Compare);
            txn.Success.AddRange(one.Success);
        }

        return jobs;
    }

    /// <summary>Puts back what was written, the latest first, and tells what could not be put back.</summary>
    /// <param name="sent">The batch that was sent and not answered: it may have been written.</param>
    private async Task<ApplyInterruptedException> UndoAsync(
        Dictionary<JobName, WrittenJob> applied, IReadOnlyList<JobDelta> sent, Exception failure)
    {
        using var limit = new CancellationTokenSource(UndoWithin + (UndoOfJobWithin * applied.Count));
        Dictionary<JobName, WrittenJob> undone = [];
        List<JobDelta> uncertain = [.. sent];
        IReadOnlyList<JobDelta> undoing = [];
        try
        {
            foreach (var delta in sent)
            {
                var job = await etcd.FindAsync(keys.Job(delta.Name), cancel: limit.Token);
                var isWritten = delta.After is null ? job is null : job?.Value.ToStringUtf8() == JobJson.ToJson(delta.After);
                if (isWritten)
                {
                    Note(applied, delta, job?.ModRevision ?? 0);
                }

                uncertain.Remove(delta);
            }

            List<JobDelta> back = [.. applied.Values.Reverse().Select(job => job.Delta.Undo(job.Revision))];
            await WriteAsync(back, null, undone, next => undoing = next, limit.Token, leavesOut: true);
        }
        catch (Exception again) when (again is EtcdException or OperationCanceledException)
        {
            // What is not undone is told below.
        }

        List<string> isBack = [.. undone.Keys.Select(name => name.Value)];
        List<string> isOpen = [.. uncertain.Concat(undoing).Select(delta => delta.Name.Value)];
        return new ApplyInterruptedException(
            failure is OperationCanceledException ? "no answer in time" : failure.Message,
            [.. applied.Keys.Select(name => name.Value).Except(isBack).Except(isOpen)],
            isBack,
            isOpen,
            failure);
    }

    /// <param name="Revision">Of the transaction that wrote it.</param>
    private readonly record struct WrittenJob(JobDelta Delta, long Revision);
}

/// <summary>A set was applied in part.</summary>
/// <param name="applied">The jobs that were written and not put back: also those that another client has changed since.</param>
/// <param name="undone">The jobs that were written and put back.</param>
/// <param name="uncertain">The jobs that may have been written or not.</param>
internal sealed class ApplyInterruptedException(
    string why, IReadOnlyList<string> applied, IReadOnlyList<string> undone, IReadOnlyList<string> uncertain, Exception cause)
    : Exception(
        applied.Count + uncertain.Count == 0
            ? $"{why}; nothing has changed: what was written has been put back. Repeating the call is safe"
            : $"{why}; {applied.Count} jobs are written, and {uncertain.Count} may be. Repeating the call is safe",
        cause)
{
    public IReadOnlyList<string> Applied => applied;

    public IReadOnlyList<string> Undone => undone;

    public IReadOnlyList<string> Uncertain => uncertain;

    /// <summary>Another client's change is in the way, rather than etcd.</summary>
    public bool IsConflict => InnerException is EtcdException { Error: EtcdError.Refused };
}
