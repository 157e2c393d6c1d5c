using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Etcdserverpb;
using Google.Protobuf.Collections;
using Mvccpb;
using Dts.Master.Versions;

namespace Dts.Master.Jobs;

/// <summary>The jobs as they stand in etcd.</summary>
/// <param name="rights">Who makes the present request, and what they may change; null = nobody knows, and they may all.</param>
internal sealed partial class JobStore(
    EtcdClient etcd, Keys keys, CronZone defaultZone, TimeProvider time, ForeignValues foreign, Func<JobRights>? rights = null)
{
    private const int Tries = 20;
    private const int CursorsMax = 40;
    private const int ComparedMax = 70; // etcd accepts 128 operations; the job, its cursors and its history need the rest.
    private const int GetsMax = 100;
    private const int VersionsRemovedMax = 10;
    private const int ParsedAtOnce = 500;
    private const string By = "master";

    private static readonly TimeSpan KillStandsFor = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan KillsShareFor = TimeSpan.FromSeconds(1);

    private readonly RequestLease _killLease = new(etcd, time, KillStandsFor, KillsShareFor);

    private JobRights Rights => rights?.Invoke() ?? JobRights.Everything(Author.Unknown);

    /// <summary>All jobs that can be read, in the order of their names' bytes.</summary>
    public async Task<IReadOnlyList<Job>> ListAsync(CancellationToken cancel) =>
        [.. (await etcd.ListAsync(keys.Jobs, cancel)).Select(Parse).OfType<Job>()];

    /// <summary>The same in pieces, which take little memory however many jobs there are.</summary>
    public async IAsyncEnumerable<IReadOnlyList<Job>> ReadAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        await foreach (var piece in TableLoader.ReadAsync(etcd, keys.Jobs, cancel))
        {
            foreach (var pairs in piece.Chunk(ParsedAtOnce))
            {
                yield return [.. pairs.Select(Parse).OfType<Job>()];
            }
        }
    }

    /// <summary>Null = there is none, or none that can be read.</summary>
    public async Task<Job?> FindAsync(JobName name, CancellationToken cancel) =>
        await etcd.FindAsync(keys.Job(name), cancel: cancel) is { } pair ? Parse(pair) : null;

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
        var stored = job with
        {
            Name = await StoredAsync(job.Name),
            Then = await AllStoredAsync(job.Then),
            OnFailure = await AllStoredAsync(job.OnFailure),
            Always = await AllStoredAsync(job.Always),
        };
        if (stored.Name != job.Name)
        {
            warnings.Add("name had separate letters and accents; it was saved in Unicode's composed form (NFC)");
        }

        return stored;

        async Task<string> StoredAsync(string text) =>
            JobName.TryParse(text, out var name, out _) ? (await ResolveAsync(name, cancel)).Value : text;

        async Task<IReadOnlyList<string>> AllStoredAsync(IReadOnlyList<string> texts)
        {
            List<string> names = [];
            foreach (var text in texts)
            {
                names.Add(await StoredAsync(text));
            }

            return names;
        }
    }

    /// <summary>Creates or replaces a job and returns the one it replaced.</summary>
    /// <exception cref="FormatException">The schedule is new and has no plan time left, or the dependents lead back to the job.</exception>
    public Task<Job?> SaveAsync(Job job, CancellationToken cancel) => SaveAsync(JobName.Parse(job.Name), _ => job, cancel);

    /// <summary>Saves what a function makes of a job, or of null where there is none, and returns the former job.</summary>
    /// <exception cref="FormatException">The schedule is new and has no plan time left, or the dependents lead back to the job.</exception>
    public async Task<Job?> SaveAsync(JobName name, Func<Job?, Job> change, CancellationToken cancel) =>
        (await ChangeAsync(name, former => CheckSchedule(former, change(former)), cancel, checksDependents: true))?.Former;

    /// <summary>Puts a job in the place of the one that etcd had at a revision; null = etcd has another one by now.</summary>
    /// <param name="revision">0 = there was none.</param>
    /// <param name="next">Null = the job is to be deleted.</param>
    /// <param name="isTrial">Everything is checked, and nothing is changed.</param>
    /// <exception cref="FormatException">The schedule is new and has no plan time left, or the dependents lead back to the job.</exception>
    public Task<JobChange?> ReplaceAsync(JobName name, long revision, Job? next, bool isTrial, CancellationToken cancel) => ChangeAsync(
        name, former => next is null ? null : CheckSchedule(former, next), cancel, checksDependents: true, revision, isTrial);

    /// <summary>
    /// Pauses or resumes a job. Null = there is no such job, it cannot be read (then it stays as it is), or etcd no longer has the revision
    /// that was asked for.
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

    /// <summary>
    /// Asks for the end of what runs of a job. The request stands until nothing that it was meant for is in flight, for workers that are
    /// cut off now.
    /// </summary>
    /// <returns>Null = nothing was asked for, because there is neither such a job nor such a run.</returns>
    /// <param name="mustExist">False = the request stands also for a job that is not known.</param>
    public async Task<KillEffect?> KillAsync(JobName name, KillRequest request, CancellationToken cancel, bool mustExist = false)
    {
        var state = await etcd.TxnAsync(
            Txn.All([Txn.List(keys.Runs(name), keysOnly: true), Txn.List(keys.QueueOf(name)), Txn.Get(keys.Job(name))]),
            repeatable: true,
            cancel);
        var running = CoveredIn(state.Responses[0].ResponseRange.Kvs, keys.Runs(name));
        var queued = CoveredIn(state.Responses[1].ResponseRange.Kvs, keys.QueueOf(name));
        var isKnown = request.RunId.Length == 0 && state.Responses[2].ResponseRange.Kvs.Count > 0;
        if (mustExist && !isKnown && running.Count + queued.Count == 0)
        {
            return null;
        }

        List<string> cancelled = [];
        foreach (var waiting in state.Responses[1].ResponseRange.Kvs)
        {
            await CancelQueuedAsync(name, waiting, request, cancelled, running, cancel);
        }

        // With nothing in flight it is meant for what is just being claimed, and must not stay for ever.
        await (running.Count > 0 ? PutAsync(default) : _killLease.UseAsync(PutAsync, cancel));
        return new KillEffect(running, cancelled);

        Task<PutResponse> PutAsync(LeaseId lease) =>
            etcd.PutAsync(keys.Killer(name, request.RunId), request == KillRequest.All ? "" : request.Reason, lease, cancel);

        List<string> CoveredIn(IEnumerable<KeyValue> pairs, string under) =>
            [.. pairs.Select(pair => pair.Key.ToStringUtf8()[under.Length..]).Where(request.Covers)];
    }

    /// <summary>What waits in the queue ends there, unless a worker has just claimed it.</summary>
    private async Task CancelQueuedAsync(
        JobName name, KeyValue waiting, KillRequest request, List<string> cancelled, List<string> running, CancellationToken cancel)
    {
        var key = waiting.Key.ToStringUtf8();
        var runId = key[keys.QueueOf(name).Length..];
        if (!request.Covers(runId))
        {
            return;
        }

        if (!Documents.TryReadQueued(runId, waiting.Value.Span, out var run, out var why))
        {
            foreign.Report(waiting, why);
        }
        else
        {
            var owed = new OwedEnding(By, "-", run, RunStatus.Cancelled, $"killed before it started: {request.Reason}", time.GetUtcNow());
            var answer = await etcd.TxnAsync(
                Txn.If(Txn.Unchanged(key, waiting.ModRevision))
                    .Then(Txn.Delete(key), Txn.Put(keys.Owed(name, run.Id), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding)))
                    .Else(Txn.Get(keys.Run(name, runId))),
                cancel: cancel);
            if (answer.Succeeded)
            {
                cancelled.Add(runId);
            }
            else if (answer.Responses[0].ResponseRange.Kvs.Count > 0 && !running.Contains(runId))
            {
                running.Add(runId);
            }
        }
    }

    /// <summary>Puts a run of a job into the queue and returns its id; null = there is no such job.</summary>
    /// <param name="worker">The only worker that may run it; empty = any that the job's target names.</param>
    public async Task<string?> RunAsync(JobName name, string worker, IReadOnlyDictionary<string, string>? env, CancellationToken cancel)
    {
        var run = MakeRun(worker, env);
        var put = Txn.If(Txn.Exists(keys.Job(name))).Then(PutQueued(name, run));
        // Not repeatable: it may have been claimed by then, and would run again.
        return (await etcd.TxnAsync(put, cancel: cancel)).Succeeded ? run.Id : null;
    }

    /// <summary>The same for a request that may be sent again, to any master: only the first one runs the job.</summary>
    /// <param name="key">Names the request within its job.</param>
    /// <param name="digest">Of what it asks for.</param>
    /// <param name="lease">How long the request is remembered.</param>
    public async Task<RunOnce> RunOnceAsync(
        JobName name, RunRequest request, string key, string digest, LeaseId lease, CancellationToken cancel)
    {
        var run = MakeRun(request.Worker, request.Env);
        var mark = JsonSerializer.Serialize(new RequestMark(digest, run.Id), RequestsJson.Default.RequestMark);
        var first = Txn.If(Txn.Missing(keys.Request(name, key)), Txn.Exists(keys.Job(name)))
            .Then(PutQueued(name, run), Txn.Put(keys.Request(name, key), mark, lease))
            .Else(Txn.Get(keys.Request(name, key)));
        var answer = await etcd.TxnAsync(first, repeatable: true, cancel);
        if (answer.Succeeded)
        {
            return new RunOnce.Accepted(run.Id, IsRepeated: false);
        }

        return answer.Responses[0].ResponseRange.Kvs.FirstOrDefault() is not { } pair ? new RunOnce.NoSuchJob()
            : JsonSerializer.Deserialize(pair.Value.Span, RequestsJson.Default.RequestMark) is { } known && known.Digest == digest
                ? new RunOnce.Accepted(known.RunId, IsRepeated: known.RunId != run.Id)
            : new RunOnce.OtherRequest();
    }

    private RunSpec MakeRun(string worker, IReadOnlyDictionary<string, string>? env)
    {
        var now = time.GetUtcNow();
        var origin = $"manual-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6))}";
        return new RunSpec(
            DateTimeOffset.FromUnixTimeSeconds(now.ToUnixTimeSeconds()), RunSpec.Manual, now, Origin: origin, Worker: worker, Env: env);
    }

    private RequestOp PutQueued(JobName name, RunSpec run) =>
        Txn.Put(keys.Queued(name, run.Id), JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec));

    /// <summary>What the schedule of a job has been, the oldest first; empty = nothing is known of it (put by hand).</summary>
    public async Task<IReadOnlyList<ScheduleChange>> ListChangesAsync(JobName name, CancellationToken cancel) =>
        ParseChanges(await etcd.FindAsync(keys.History(name), cancel: cancel));

    private Job? Parse(KeyValue pair)
    {
        if (!JobJson.TryParse(pair.Value.Memory, out var job, out var why))
        {
            foreign.Report(pair, why);
        }

        return job;
    }

    private IReadOnlyList<ScheduleChange> ParseChanges(KeyValue? pair)
    {
        if (pair is null)
        {
            return [];
        }

        if (!Documents.TryReadHistory(pair.Value.Span, out var changes, out var why))
        {
            foreign.Report(pair, why);
        }

        return changes ?? [];
    }

    /// <summary>
    /// Puts a job in the place of another, and with it all that the change means for its schedule. Null = there was none and there is
    /// none, or etcd has not what was asked for.
    /// </summary>
    /// <remarks>
    /// The cursors are put in the same transaction, always: moved forward to now when the schedule changed or the job was enabled, for
    /// neither makes missed fires, else as they stood. A save that changes nothing puts nothing. So a job that is newer than its cursor
    /// was put by hand, and its past is unknown.
    /// What the former schedule had, and nobody claimed, before it ended is owed as missed.
    /// </remarks>
    /// <param name="change">From the former job to the next; null = there is none.</param>
    /// <param name="onlyAt">The revision that the former job must have; null = any.</param>
    /// <param name="isTrial">Everything is checked, and nothing is changed.</param>
    /// <param name="mustBeReadable">A value that is no job is left as it is; else the change takes it for no job.</param>
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
            var state = await etcd.TxnAsync(
                Txn.All([
                    Txn.Get(keys.Job(name)),
                    Txn.Get(keys.Fired(name)),
                    Txn.List(keys.FiredByWorkers(name)),
                    Txn.Get(keys.History(name)),
                    Txn.List(keys.Workers),
                    Txn.List(keys.VersionsOf(name), keysOnly: true)]),
                repeatable: true,
                cancel);
            var found = state.Responses.Select(response => response.ResponseRange.Kvs).ToList();
            var former = found[0].FirstOrDefault();
            var previous = former is null ? null : Parse(former);
            if ((onlyAt is { } revision && revision != (former?.ModRevision ?? 0)) || (mustBeReadable && previous is null))
            {
                return null;
            }

            var next = change(previous);
            if (former is null && next is null)
            {
                return null;
            }

            var allowed = Rights;
            await CheckRightsAsync(allowed, name, former is not null, previous, next, cancel);

            var txn = new TxnRequest();
            AddChange(txn, name, previous, next, found);
            txn.Compare.AddRange(checksDependents && next is not null ? await CheckDependentsAsync(next, cancel) : []);
            if (isTrial || ChangesNothing(previous, next, found))
            {
                return new JobChange(previous, next, former?.ModRevision ?? 0);
            }

            var answer = await etcd.TxnAsync(txn, cancel: cancel);
            if (answer.Succeeded)
            {
                allowed.Noted?.Invoke(name, previous, next);
                return new JobChange(previous, next, answer.Header.Revision);
            }
        }

        throw new EtcdException(EtcdError.Unavailable, $"job {name} was changed by others {Tries} times while it was saved; try again");
    }

    /// <exception cref="NotAllowedException">The caller may not make this change.</exception>
    private async Task CheckRightsAsync(
        JobRights allowed, JobName name, bool exists, Job? previous, Job? next, CancellationToken cancel)
    {
        if (allowed.FindFault(name, exists, previous, next) is { } fault)
        {
            throw fault;
        }

        if (!exists && next is not null && !await allowed.MayTakeAsync(name, cancel))
        {
            throw JobRights.NoSuchJob(name);
        }

        // A dependent runs when this job ends: to name one is to run it.
        var added = allowed.IsLimited && next is not null ? next.Dependents.Except(previous?.Dependents ?? []).Except([next.Name]) : [];
        foreach (var dependent in added)
        {
            if (!allowed.MaySee(await FindAsync(JobName.Parse(dependent), cancel)))
            {
                throw new NotAllowedException(
                    $"then, onFailure or always name \"{Display.Line(dependent)}\", which is no job within the filter that limits you");
            }
        }
    }

    /// <summary>
    /// Whether a save can be left out: the job is as it was, and its cursor and history are at least as new as it. What was put by hand
    /// has no such cursor yet.
    /// </summary>
    private static bool ChangesNothing(Job? previous, Job? next, List<RepeatedField<KeyValue>> found) =>
        previous is not null
        && next is not null
        && JobJson.ToJson(previous) == JobJson.ToJson(next)
        && found[1].FirstOrDefault() is { } cursor
        && cursor.ModRevision >= found[0][0].ModRevision
        && Cursor.TryParse(cursor.Value.ToStringUtf8(), out _)
        && found[3].Count > 0;

    /// <summary>Adds a change of a job to a transaction, with the conditions that it rests on.</summary>
    /// <param name="found">The job, its cursor, those of its workers, its history, the workers, and the keys of its versions.</param>
    private void AddChange(
        TxnRequest txn, JobName name, Job? previous, Job? next, List<RepeatedField<KeyValue>> found)
    {
        txn.Compare.Add(Txn.Unchanged(keys.Job(name), found[0].FirstOrDefault()?.ModRevision ?? 0));
        txn.Then(next is null ? Txn.Delete(keys.Job(name)) : Txn.Put(keys.Job(name), JobJson.ToJson(next)));
        var end = MoveCursors(
            txn, name, previous, next, [found[1].FirstOrDefault(), .. OfLiveWorkers(found[2], found[4], name, previous)]);
        NoteChange(txn, name, previous, next, found[3].FirstOrDefault(), end);
        NoteVersion(txn, name, previous, next, found[0].FirstOrDefault()?.ModRevision ?? 0, found[5]);
    }

    /// <summary>
    /// The cursors of the workers that are there to run a job in mode all; etcd takes so many operations at once. Any other is older than
    /// the job after the save, and so says nothing of the past any more.
    /// </summary>
    private IEnumerable<KeyValue> OfLiveWorkers(IEnumerable<KeyValue> cursors, IEnumerable<KeyValue> workers, JobName name, Job? job)
    {
        var matching = workers
            .Select(worker => (Id: keys.WorkerOf(worker.Key.ToStringUtf8()), Registration: WorkerRegistration.Parse(worker.Value.Span)))
            .Where(worker => job?.Target.Matches(worker.Id, worker.Registration?.Labels ?? new Dictionary<string, string>()) == true)
            .Select(worker => keys.Fired(name, worker.Id))
            .ToHashSet();
        return cursors.Where(cursor => matching.Contains(cursor.Key.ToStringUtf8())).Take(CursorsMax);
    }

    /// <summary>Puts the cursors of a job, owes what was missed before them, and returns where its former schedule ends.</summary>
    /// <param name="cursors">The job's own, or null, then those of its workers.</param>
    private DateTimeOffset MoveCursors(TxnRequest txn, JobName name, Job? previous, Job? next, IReadOnlyList<KeyValue?> cursors)
    {
        var now = time.GetUtcNow();
        var ends = previous is { Enabled: true } && !(next is { Enabled: true } && HaveOneSchedule(next, previous));
        var begins = next is { Enabled: true } && (previous is not { Enabled: true } || ends);
        var end = now;
        foreach (var pair in cursors)
        {
            var key = pair?.Key.ToStringUtf8() ?? keys.Fired(name);
            txn.Compare.Add(Txn.Unchanged(key, pair?.ModRevision ?? 0));
            var isSound = Cursor.TryParse(pair?.Value.ToStringUtf8() ?? "", out var cursor);
            var stands = isSound && (cursor.PlanTime >= now || !(begins || ends));
            end = stands && cursor.PlanTime > end ? cursor.PlanTime : end;
            txn.Then(stands ? Txn.Put(key, pair!.Value) : Txn.Put(key, new Cursor(now, By, "-", Cursor.Moved).ToString()));
            if (ends && isSound && !stands && FindMissed(previous!, cursor, key, name, now) is { } owed)
            {
                txn.Then(Txn.Put(keys.Owed(name, owed.Run.Id), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding)));
            }
        }

        return end;
    }

    private OwedEnding? FindMissed(Job job, Cursor cursor, string cursorKey, JobName name, DateTimeOffset now)
    {
        if (!JobSchedule.TryParse(job, defaultZone, out var schedule, out _)
            || schedule.CountBetween(cursor.PlanTime, now.AddTicks(1)) is not (> 0 and var count)
            || (job.Mode == JobMode.All) != (cursorKey != keys.Fired(name)))
        {
            return null;
        }

        var run = RunSpec.Scheduled(schedule.Latest(now)!.Value) with { Worker = cursorKey[keys.Fired(name).Length..].TrimStart('/') };
        return new OwedEnding(
            By, "-", run, RunStatus.Missed, "no worker had claimed it when its schedule was changed", now, count, cursor.PlanTime);
    }

    private void NoteChange(TxnRequest txn, JobName name, Job? previous, Job? next, KeyValue? history, DateTimeOffset end)
    {
        txn.Compare.Add(Txn.Unchanged(keys.History(name), history?.ModRevision ?? 0));
        var (before, after) = (ChangeOf(previous, end), ChangeOf(next, end));
        if (history is null || before != after)
        {
            var changes = ParseChanges(history).Append(after).TakeLast(ScheduleChange.Kept).ToList();
            txn.Then(Txn.Put(keys.History(name), JsonSerializer.Serialize(changes, JobsJson.Readable.IReadOnlyListScheduleChange)));
        }
    }

    /// <summary>Keeps the save as a version, in place of the oldest of too many that wait for the log store.</summary>
    private void NoteVersion(TxnRequest txn, JobName name, Job? previous, Job? next, long formerRevision, IEnumerable<KeyValue> waiting)
    {
        var now = time.GetUtcNow();
        if (SavedVersion.Encode(now, Rights.Author, formerRevision, previous, next) is { } version)
        {
            txn.Then(Txn.Put(keys.Version(name, $"{Guid.CreateVersion7(now):N}"), version));
            var oldest = waiting.OrderByDescending(pair => pair.ModRevision).Skip(VersionLimits.CountMax - 1).Take(VersionsRemovedMax);
            txn.Then([.. oldest.Select(pair => Txn.Delete(pair.Key.ToStringUtf8()))]);
        }
    }

    private Job CheckSchedule(Job? former, Job next) =>
        (former is null || !HaveOneSchedule(former, next)) && SaveRules.FindOver(next, defaultZone, time.GetUtcNow()) is { } over
            ? throw new FormatException(over)
            : next;

    /// <summary>The same times in the same zone and mode; in mode all also on the same workers, for each has its own account.</summary>
    internal static bool HaveOneSchedule(Job job, Job other) =>
        job.CronExpr == other.CronExpr
            && job.TimeZone == other.TimeZone
            && job.Mode == other.Mode
            && (job.Mode == JobMode.One || $"{job.Target}" == $"{other.Target}");

    private static ScheduleChange ChangeOf(Job? job, DateTimeOffset after) =>
        job is { Enabled: true } ? new ScheduleChange(after, job.CronExpr, job.TimeZone) : new ScheduleChange(after, "", "");

    /// <summary>
    /// Refuses a job whose dependents lead back to it. Returns conditions that make the save fail if a job on the way has changed
    /// meanwhile.
    /// </summary>
    /// <remarks>A dependent may not exist yet: saving it later runs this check again.</remarks>
    private async Task<IReadOnlyList<Compare>> CheckDependentsAsync(Job job, CancellationToken cancel)
    {
        if (!job.Dependents.Any())
        {
            return [];
        }

        var jobs = new Dictionary<string, Job> { [job.Name] = job };
        var revisions = new Dictionary<string, long>();
        var latest = 0L;
        for (var next = job.Dependents.ToHashSet(); next.Count > 0;)
        {
            next.RemoveWhere(name => name == job.Name || revisions.ContainsKey(name));
            var found = new List<Job>();
            foreach (var names in next.Chunk(GetsMax))
            {
                var state = await etcd.TxnAsync(Txn.All(names.Select(name => Txn.Get(keys.Jobs + name, latest))), repeatable: true, cancel);
                latest = latest == 0 ? state.Header.Revision : latest;
                foreach (var (name, answer) in names.Zip(state.Responses))
                {
                    var pair = answer.ResponseRange.Kvs.FirstOrDefault();
                    revisions[name] = pair?.ModRevision ?? 0;
                    if (pair is not null && Parse(pair) is { } dependent)
                    {
                        found.Add(jobs[name] = dependent);
                    }
                }
            }

            next = [.. found.SelectMany(dependent => dependent.Dependents)];
        }

        if (FindCycle(job.Name, jobs) is { } cycle)
        {
            cycle = [.. cycle.Select(name => Rights.NameOf(name, jobs.GetValueOrDefault(name)))];
            throw new FormatException(
                $"then, onFailure or always lead back to the job itself ({Display.Line(string.Join(" > ", cycle))}); expected no circle");
        }

        return revisions.Count <= ComparedMax
            ? [.. revisions.Select(known => Txn.Unchanged(keys.Jobs + known.Key, known.Value))]
            : [Txn.NoneChangedUnder(keys.Jobs, latest)];
    }

    /// <summary>A way from a job along its dependents back to it; null = there is none.</summary>
    internal static List<string>? FindCycle(string start, IReadOnlyDictionary<string, Job> jobs)
    {
        var cameFrom = new Dictionary<string, string>();
        var next = new Queue<string>([start]);
        while (next.TryDequeue(out var name))
        {
            foreach (var dependent in jobs.GetValueOrDefault(name)?.Dependents ?? [])
            {
                if (dependent == start)
                {
                    List<string> way = [start, name];
                    while (name != start)
                    {
                        way.Add(name = cameFrom[name]);
                    }

                    way.Reverse();
                    return way;
                }

                if (cameFrom.TryAdd(dependent, name))
                {
                    next.Enqueue(dependent);
                }
            }
        }

        return null;
    }
}
