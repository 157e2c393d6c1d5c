using System.Runtime.CompilerServices;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Versions;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Master.Jobs;

/// <summary>Reads the jobs in etcd, and changes one at a time.</summary>
/// <param name="rights">Returns who makes the present request and what they may change; null = everything, by an unknown author.</param>
internal sealed class JobStore(
    EtcdClient etcd, Keys keys, CronZone defaultZone, TimeProvider time, ForeignValues foreign, Func<JobRights>? rights = null)
{
    private const int Tries = 20;
    private const int ParsedAtOnce = 500;

    private readonly JobDependents _dependents = new(etcd, keys);

    public JobCalls Calls { get; } = new(etcd, keys, foreign);

    /// <summary>Requests to run jobs, and to end their runs.</summary>
    public JobRuns Runs { get; } = new(etcd, keys, time, foreign);

    /// <summary>Returns what was expected instead of an alert's channel; null = the channel is known.</summary>
    public Func<string, string?> ExpectedChannel { get; init; } = _ => null;

    public JobRights Rights => rights?.Invoke() ?? JobRights.Everything(Author.Unknown);

    /// <summary>All jobs that can be read, in the order of their names' bytes.</summary>
    public async Task<IReadOnlyList<Job>> ListAsync(CancellationToken cancel) =>
        [.. (await etcd.ListAsync(keys.Jobs, cancel)).Select(Parse).OfType<Job>()];

    /// <summary>The same in pieces, which take little memory however many jobs there are.</summary>
    public async IAsyncEnumerable<IReadOnlyList<Job>> ReadAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        await foreach (var part in TableLoader.ReadAsync(etcd, TableLoader.Under(keys.Jobs), cancel))
        {
            foreach (var pairs in part.Keys.Chunk(ParsedAtOnce))
            {
                yield return [.. pairs.Select(Parse).OfType<Job>()];
            }
        }
    }

    /// <summary>Null = there is no such job, or it cannot be read.</summary>
    public async Task<Job?> FindAsync(JobName name, CancellationToken cancel) => (await FindStoredAsync(name, cancel)).Job;

    public async Task<StoredJob> FindStoredAsync(JobName name, CancellationToken cancel) =>
        await etcd.FindAsync(keys.Job(name), cancel: cancel) is { } pair ? new StoredJob(Parse(pair), pair.ModRevision) : default;

    /// <summary>A job as it was at a revision; null = there was none, or etcd no longer has that revision.</summary>
    public async Task<Job?> FindAtAsync(JobName name, long revision, CancellationToken cancel)
    {
        try
        {
            return await etcd.FindAsync(keys.Job(name), revision, cancel) is { } pair ? Parse(pair) : null;
        }
        catch (EtcdException gone) when (gone.Error == EtcdError.Compacted)
        {
            return null;
        }
    }

    /// <summary>The name that a job is stored under: composed (NFC), unless an older version or etcdctl stored this very name.</summary>
    public async Task<JobName> ResolveAsync(JobName name, CancellationToken cancel) =>
        JobName.Parse(Nfc.Of(name)) is var composed && composed != name && await etcd.FindAsync(keys.Job(name), cancel: cancel) is null
            ? composed
            : name;

    /// <summary>Replaces the names of the job and its dependents with the names that they are stored under.</summary>
    public async Task<Job> WithStoredNamesAsync(Job job, List<string> warnings, CancellationToken cancel)
    {
        var stored = new Dictionary<string, string>();
        foreach (var text in job.Dependents.Append(job.Name))
        {
            stored[text] = JobName.TryParse(text, out var name, out _) ? await ResolveAsync(name, cancel) : text;
        }

        return SaveRules.WithNames(job, name => stored[name], warnings);
    }

    /// <summary>Saves the job that a function makes of the former one (null = there is none), and returns the former job.</summary>
    /// <exception cref="FormatException">
    /// The schedule is new and has no plan time left, the alert's channel is new and unknown, or the dependents lead back to the job.
    /// </exception>
    public async Task<Job?> SaveAsync(JobName name, Func<Job?, Job> change, CancellationToken cancel) =>
        (await ChangeAsync(name, former => Check(former, change(former)), cancel, checksDependents: true))?.Former;

    /// <summary>Replaces the job that etcd had at a revision; null = etcd has another one by now.</summary>
    /// <param name="revision">0 = there was none.</param>
    /// <param name="next">Null = the job is deleted.</param>
    /// <param name="isTrial">Everything is checked, and nothing is changed.</param>
    /// <exception cref="FormatException">
    /// The schedule is new and has no plan time left, the alert's channel is new and unknown, or the dependents lead back to the job.
    /// </exception>
    public Task<JobChange?> ReplaceAsync(JobName name, long revision, Job? next, bool isTrial, CancellationToken cancel) => ChangeAsync(
        name, former => next is null ? null : Check(former, next), cancel, checksDependents: true, revision, isTrial);

    /// <summary>
    /// Pauses or resumes a job. Null = there is no such job, it cannot be read (it stays as it is), or it no longer has the revision asked
    /// for.
    /// </summary>
    /// <param name="onlyAt">The revision that the job must have; null = any.</param>
    public Task<JobChange?> EnableAsync(JobName name, bool enabled, CancellationToken cancel, long? onlyAt = null) => ChangeAsync(
        name, job => job is null ? null : job with { Enabled = enabled }, cancel, onlyAt: onlyAt, mustBeReadable: true);

    /// <summary>
    /// Removes a job and returns it; null = there was none. Its cursor stays for a while, so that a job of the same name starts no fire
    /// twice.
    /// </summary>
    public async Task<Job?> DeleteAsync(JobName name, CancellationToken cancel) =>
        (await ChangeAsync(name, _ => null, cancel))?.Former;

    /// <inheritdoc cref="JobCalls.Parse"/>
    public Job? Parse(KeyValue pair) => Calls.Parse(pair);

    /// <summary>Starts a transaction that changes jobs, in the name of the present request.</summary>
    public JobTxn StartChange() => new(keys, defaultZone, Rights.Author, time.GetUtcNow());

    /// <summary>
    /// Replaces a job in one transaction with all that the change means for its schedule (<see cref="JobTxn"/>). A save that changes
    /// nothing writes nothing. Null = there was no job and there is none, or the job is not as the caller demands.
    /// </summary>
    /// <param name="change">From the former job to the next; null = there is none.</param>
    /// <param name="onlyAt">The revision that the former job must have; null = any.</param>
    /// <param name="isTrial">Everything is checked, and nothing is changed.</param>
    /// <param name="mustBeReadable">A value that is not a job stays as it is; otherwise the change treats it as no job.</param>
    private async Task<JobChange?> ChangeAsync(
        JobName name,
        Func<Job?, Job?> change,
        CancellationToken cancel,
        bool checksDependents = false,
        long? onlyAt = null,
        bool isTrial = false,
        bool mustBeReadable = false)
    {
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            var former = await Calls.ReadAsync(name, cancel);
            if ((onlyAt is { } revision && revision != former.Revision) || (mustBeReadable && former.Job is null))
            {
                return null;
            }

            var next = change(former.Job);
            if (former.Pair is null && next is null)
            {
                return null;
            }

            var allowed = Rights;
            await CheckRightsAsync(allowed, name, former, next, cancel);
            var txn = new TxnRequest();
            StartChange().Add(txn, name, former, next);
            var others = checksDependents && next is not null ? await _dependents.CheckAsync(next, Parse, allowed, cancel) : [];
            if (isTrial || JobTxn.ChangesNothing(former, next))
            {
                return new JobChange(former.Job, next, former.Revision);
            }

            if (await Calls.WriteAsync(name, txn, others, cancel) is { } written)
            {
                allowed.Noted?.Invoke(name, former.Job, next);
                return new JobChange(former.Job, next, written);
            }
        }

        throw new EtcdException(EtcdError.Unavailable, $"job {name} was changed by others {Tries} times while it was saved; try again");
    }

    /// <exception cref="NotAllowedException">The caller may not make this change.</exception>
    private async Task CheckRightsAsync(JobRights allowed, JobName name, JobInEtcd former, Job? next, CancellationToken cancel)
    {
        var exists = former.Pair is not null;
        if (allowed.FindFault(name, exists, former.Job, next) is { } fault)
        {
            throw fault;
        }

        if (!exists && next is not null && !await allowed.MayTakeAsync(name, cancel))
        {
            throw JobRights.NoSuchJob(name);
        }

        foreach (var dependent in allowed.DependentsToJudge(former.Job, next))
        {
            if (!allowed.MaySee(await FindAsync(JobName.Parse(dependent), cancel)))
            {
                throw JobRights.ForeignDependent(dependent);
            }
        }
    }

    private Job Check(Job? former, Job next) =>
        (SaveRules.FindOver(former, next, defaultZone, time.GetUtcNow())
            ?? SaveRules.FindUnknownChannel(former, next, ExpectedChannel)
            ?? SaveRules.FindHidden(former, next)) is { } fault
            ? throw new FormatException(fault)
            : next;
}

/// <summary>A job as etcd has it.</summary>
/// <param name="Job">Null = there is none, or none that can be read.</param>
/// <param name="Revision">etcd's revision of its latest change; 0 = there is none.</param>
internal readonly record struct StoredJob(Job? Job, long Revision)
{
    public bool Exists => Revision > 0;
}

/// <summary>A change of a job that etcd has accepted, or would accept.</summary>
/// <param name="Former">Null = there was none, or none that can be read.</param>
/// <param name="Next">Null = the job is deleted.</param>
/// <param name="Revision">etcd's revision of the change.</param>
internal sealed record JobChange(Job? Former, Job? Next, long Revision);
