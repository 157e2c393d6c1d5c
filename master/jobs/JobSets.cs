using Dts.Common.Etcd;
using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>Applies sets of jobs: all of a set, or nothing.</summary>
/// <remarks>
/// <para>Constraint: etcd takes 128 operations and 1.5 MiB a transaction, so <see cref="DeltaWriter"/> writes a set in batches.</para>
/// <para>Scheme: a batch is written only if its jobs still have the revisions of the plan, and, if the set has dependents, no other job
/// was saved meanwhile (it might create a cycle). If the condition fails, a new plan is made from the new state, in which the jobs written
/// so far are unchanged. If the new plan has faults, what was written is put back.</para>
/// <para>A job that another client changes before its batch is written becomes that of the set. A job that another client changes after
/// its batch keeps that client's change, also when the rest is put back.</para>
/// </remarks>
internal sealed class JobSets(JobStore jobs, EtcdClient etcd, Keys keys)
{
    private const int Plans = 5;
    private const int NamesJudgedAtOnce = 8;

    private static readonly TimeSpan UndoWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan UndoOfJobWithin = TimeSpan.FromMilliseconds(3);

    /// <summary>Makes a plan and carries it out; returns it as it was carried out. A plan with faults changes nothing.</summary>
    /// <param name="wanted">Names that the plan's jobs may have.</param>
    /// <param name="isTrial">The plan is only made.</param>
    /// <exception cref="ApplyInterruptedException">Some of it was written, and the rest could not be.</exception>
    public async Task<ApplyPlan> ApplyAsync(
        Func<StoredJobs, ApplyPlan> makePlan, CancellationToken cancel, IReadOnlyCollection<string>? wanted = null, bool isTrial = false)
    {
        var writer = new DeltaWriter(etcd, keys, jobs);
        try
        {
            for (var tries = 1; tries <= Plans; tries++)
            {
                var stored = await ReadAllAsync(wanted ?? [], cancel);
                stored = stored with { Kept = ChangedSince(writer.Written, stored) };
                var plan = makePlan(stored);
                if (isTrial)
                {
                    return plan;
                }

                if (plan.Faults.Count > 0)
                {
                    return writer.Written.Count == 0 ? plan : throw new EtcdException(EtcdError.Refused, plan.Faults[0].Detail);
                }

                var guard = plan.Deltas.Any(delta => delta.After?.Dependents.Any() == true) ? stored.Revision : (long?)null;
                var changes = plan.Deltas.Where(delta => delta.Kind != JobChangeKind.Unchanged).ToList();
                if (await writer.WriteAsync(changes, guard, leavesOut: false, cancel))
                {
                    return CarriedOut(plan, writer.Written, stored.Kept);
                }
            }

            throw new EtcdException(EtcdError.Unavailable, $"jobs were changed by others {Plans} times while the set was applied");
        }
        catch (Exception failure) when (
            failure is EtcdException or OperationCanceledException && (writer.Written.Count > 0 || writer.Unanswered.Count > 0))
        {
            throw await UndoAsync(writer, failure);
        }
    }

    private async Task<StoredJobs> ReadAllAsync(IEnumerable<string> wanted, CancellationToken cancel)
    {
        var (found, revision) = await TableLoader.LoadAsync(etcd, keys.Jobs, cancel);
        var stored = new StoredJobs(
            found.Where(pair => Keys.TryParseName(pair.Key.ToStringUtf8(), keys.Jobs, out _))
                .ToDictionary(pair => pair.Key.ToStringUtf8()[keys.Jobs.Length..], pair => (jobs.Parse(pair), pair.ModRevision)),
            revision);
        return stored with { Foreign = await ListForeignAsync(stored, wanted, cancel), ExpectedChannel = jobs.ExpectedChannel };
    }

    /// <summary>The free names among those wanted that the caller may not take.</summary>
    private async Task<IReadOnlySet<string>> ListForeignAsync(StoredJobs stored, IEnumerable<string> wanted, CancellationToken cancel)
    {
        var allowed = jobs.Rights;
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

    /// <summary>The jobs that differ from what the apply has written.</summary>
    private static HashSet<string> ChangedSince(IReadOnlyDictionary<JobName, WrittenJob> written, StoredJobs stored) =>
    [
        .. written
            .Where(job => stored.Jobs.GetValueOrDefault(job.Key.Value).Revision != (job.Value.Delta.After is null ? 0 : job.Value.Revision))
            .Select(job => job.Key.Value),
    ];

    private ApplyPlan CarriedOut(ApplyPlan plan, IReadOnlyDictionary<JobName, WrittenJob> written, IReadOnlySet<string> kept)
    {
        foreach (var delta in written.Values.Select(job => job.Delta))
        {
            jobs.Rights.Noted?.Invoke(delta.Name, delta.Before, delta.After);
        }

        var done = written.ToDictionary(
            job => job.Key, job => kept.Contains(job.Key) ? job.Value.Delta.ChangedByOthers() : job.Value.Delta);
        return plan with
        {
            Deltas =
            [
                .. plan.Deltas.Select(delta => done.Remove(delta.Name, out var its) ? its : delta),
                .. done.Values, // Deleted, or changed by others, before the last plan was made.
            ],
        };
    }

    /// <summary>Puts back what was written, the latest first, and tells what could not be put back.</summary>
    private async Task<ApplyInterruptedException> UndoAsync(DeltaWriter writer, Exception failure)
    {
        using var limit = new CancellationTokenSource(UndoWithin + (UndoOfJobWithin * writer.Written.Count));
        var undoing = new DeltaWriter(etcd, keys, jobs);
        try
        {
            await writer.LookAtUnansweredAsync(limit.Token);
            List<JobDelta> back = [.. writer.Written.Values.Reverse().Select(job => job.Delta.Undo(job.Revision))];
            await undoing.WriteAsync(back, null, leavesOut: true, limit.Token);
        }
        catch (Exception again) when (again is EtcdException or OperationCanceledException)
        {
            // The exception below names what is not undone.
        }

        List<string> isBack = [.. undoing.Written.Keys.Select(name => name.Value)];
        List<string> isOpen = [.. writer.Unanswered.Concat(undoing.Unanswered).Select(delta => delta.Name.Value)];
        return new ApplyInterruptedException(
            failure is OperationCanceledException ? "no answer in time" : failure.Message,
            [.. writer.Written.Keys.Select(name => name.Value).Except(isBack).Except(isOpen)],
            isBack,
            isOpen,
            failure);
    }
}

/// <summary>A set was applied in part.</summary>
/// <param name="applied">The jobs that were written and not put back: also those that another client has changed since.</param>
/// <param name="undone">The jobs that were written and put back.</param>
/// <param name="uncertain">The jobs that may or may not have been written.</param>
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
