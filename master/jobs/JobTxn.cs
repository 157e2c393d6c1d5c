using System.Text.Json;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Versions;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Master.Jobs;

/// <summary>The keys of a job at one revision of etcd. A change of the job is made from them.</summary>
/// <param name="Pair">The job's own key; null = there is no such job.</param>
/// <param name="Job">Null = there is none, or none that can be read.</param>
/// <param name="WorkerCursors">The cursors of single workers, for mode all.</param>
/// <param name="Changes">The job's schedules so far; empty = none is known.</param>
/// <param name="Versions">The keys of the versions that wait for the log store, without their values.</param>
/// <param name="Workers">The registrations of all live workers.</param>
internal sealed record JobInEtcd(
    KeyValue? Pair,
    Job? Job,
    KeyValue? Cursor,
    IReadOnlyList<KeyValue> WorkerCursors,
    KeyValue? History,
    IReadOnlyList<ScheduleChange> Changes,
    IReadOnlyList<KeyValue> Versions,
    IReadOnlyList<KeyValue> Workers)
{
    /// <summary>The number of operations in <see cref="ReadsOf"/>.</summary>
    public const int ReadCount = 5;

    /// <summary>0 = there is no such job.</summary>
    public long Revision => Pair?.ModRevision ?? 0;

    public static RequestOp[] ReadsOf(Keys keys, JobName name) =>
    [
        Txn.Get(keys.Job(name)),
        Txn.Get(keys.Fired(name)),
        Txn.List(keys.FiredByWorkers(name)),
        Txn.Get(keys.History(name)),
        Txn.List(keys.VersionsOf(name), keysOnly: true),
    ];
}

/// <summary>Adds changes of jobs to a transaction: the job, its cursors, what was missed, its history, and a version.</summary>
/// <remarks>
/// Without I/O. The transaction always puts the cursors. A new schedule, a pause or a resume moves them forward to now, because a schedule
/// change or a resume must not create missed fires. Otherwise the cursors are rewritten unchanged. So a job that is newer than its cursor
/// was put by hand, and its past is unknown. Plan times that the former schedule still had, and that nobody claimed, are owed as missed.
/// </remarks>
internal sealed class JobTxn(Keys keys, CronZone defaultZone, Author author, DateTimeOffset now)
{
    /// <summary>The name of the masters in cursors and endings.</summary>
    public const string By = "master";

    private const string Unclaimed = "no worker had claimed it when its job was changed, paused or deleted";

    private const int CursorsMax = 40; // etcd accepts 128 operations in a transaction.
    private const int VersionsRemovedMax = 10;

    /// <param name="next">Null = the job is deleted.</param>
    public void Add(TxnRequest txn, JobName name, JobInEtcd former, Job? next)
    {
        txn.Compare.Add(Txn.Unchanged(keys.Job(name), former.Revision));
        txn.Then(next is null ? Txn.Delete(keys.Job(name)) : Txn.Put(keys.Job(name), JobJson.ToJson(next)));
        var end = MoveCursors(txn, name, former, next);
        AddHistory(txn, name, former, next, end);
        AddVersion(txn, name, former, next);
    }

    /// <summary>
    /// True if a save can be left out: the job stays as it is, and its cursor and history are at least as new. A job that was put by hand
    /// has no such cursor.
    /// </summary>
    public static bool ChangesNothing(JobInEtcd former, Job? next) =>
        former is { Job: { } job, Cursor: { } cursor, History: not null }
        && next is not null
        && JobJson.ToJson(job) == JobJson.ToJson(next)
        && cursor.ModRevision >= former.Revision
        && Cursor.TryParse(cursor.Value.ToStringUtf8(), out _);

    /// <summary>Moves the cursors, and returns the time at which the former schedule ends.</summary>
    private DateTimeOffset MoveCursors(TxnRequest txn, JobName name, JobInEtcd former, Job? next)
    {
        var previous = former.Job;
        var ends = previous is { Enabled: true } && !(next is { Enabled: true } && SaveRules.HaveOneSchedule(next, previous));
        var begins = next is { Enabled: true } && (previous is not { Enabled: true } || ends);
        var end = now;
        foreach (var (key, pair, isNew) in (IEnumerable<(string, KeyValue?, bool)>)
            [(keys.Fired(name), former.Cursor, false), .. CursorsOfLiveWorkers(name, former, next, begins)])
        {
            txn.Compare.Add(Txn.Unchanged(key, pair?.ModRevision ?? 0));
            var isSound = Cursor.TryParse(pair?.Value.ToStringUtf8() ?? "", out var cursor);
            var stays = isSound && (cursor.PlanTime >= now || !(begins || ends || isNew));
            end = stays && cursor.PlanTime > end ? cursor.PlanTime : end;
            txn.Then(stays ? Txn.Put(key, pair!.Value) : Txn.Put(key, new Cursor(now, By, "-", Cursor.Moved).ToString()));
            if (ends && isSound && !stays && !isNew && (previous!.Mode == JobMode.All) == (key != keys.Fired(name)))
            {
                OweMissed(txn, previous, cursor.PlanTime, key, name);
            }
        }

        if (ends && previous is { Mode: JobMode.All } && !former.Workers.Any(worker => Matches(previous, worker)))
        {
            OweUnmatched(txn, name, former, previous);
        }

        return end;
    }

    /// <summary>
    /// No live worker of a job in mode all is left to account for the plan times since the last one that any worker decided.
    /// </summary>
    private void OweUnmatched(TxnRequest txn, JobName name, JobInEtcd former, Job previous)
    {
        var cursors = former.WorkerCursors.Append(former.Cursor).OfType<KeyValue>();
        var decided = cursors.Select(pair => Cursor.TryParse(pair.Value.ToStringUtf8(), out var cursor) ? cursor.PlanTime : default)
            .DefaultIfEmpty().Max();
        txn.Compare.Add(Txn.NoneChangedUnder(
            keys.FiredByWorkers(name), former.WorkerCursors.Select(pair => pair.ModRevision).DefaultIfEmpty().Max()));
        if (decided != default)
        {
            OweMissed(txn, previous, decided, keys.Fired(name), name);
        }
    }

    /// <summary>
    /// The cursors of the live workers that run a job in mode all, before the save and after it, as many as a transaction takes. A
    /// worker that runs the job from this save on gets a cursor, so that it knows which plan times it owes when it hears of the job
    /// late. Any other cursor is older than the job after the save, and so says nothing of its past.
    /// </summary>
    /// <param name="begins">A schedule begins with the save.</param>
    private IEnumerable<(string Key, KeyValue? Pair, bool IsNew)> CursorsOfLiveWorkers(
        JobName name, JobInEtcd former, Job? next, bool begins)
    {
        var found = former.WorkerCursors.ToDictionary(cursor => cursor.Key.ToStringUtf8());
        return former.Workers
            .Select(worker => (
                Key: keys.Fired(name, keys.WorkerOf(worker.Key.ToStringUtf8())),
                DidRun: former.Job is { Mode: JobMode.All } before && Matches(before, worker),
                Runs: next is { Mode: JobMode.All } after && Matches(after, worker)))
            .Where(worker => found.ContainsKey(worker.Key) ? worker.DidRun || worker.Runs : worker.Runs && (begins || !worker.DidRun))
            .Take(CursorsMax)
            .Select(worker => (worker.Key, found.GetValueOrDefault(worker.Key), IsNew: !worker.DidRun));
    }

    private bool Matches(Job job, KeyValue worker) => job.Target.Matches(
        keys.WorkerOf(worker.Key.ToStringUtf8()),
        WorkerRegistration.Parse(worker.Value.Span)?.Labels ?? new Dictionary<string, string>());

    /// <summary>Records the plan times after one that was decided as missed.</summary>
    private void OweMissed(TxnRequest txn, Job job, DateTimeOffset decided, string cursorKey, JobName name)
    {
        if (JobSchedule.TryParse(job, defaultZone, out var schedule, out _)
            && schedule.CountBetween(decided, now.AddTicks(1)) is > 0 and var count)
        {
            var run = RunSpec.Scheduled(schedule.Latest(now)!.Value) with { Worker = cursorKey[keys.Fired(name).Length..].TrimStart('/') };
            var owed = OwedEnding.Missed(By, "-", run, Unclaimed, now, count, decided);
            txn.Then(Txn.Put(keys.Owed(name, owed.Run.Id), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding)));
        }
    }

    private void AddHistory(TxnRequest txn, JobName name, JobInEtcd former, Job? next, DateTimeOffset end)
    {
        txn.Compare.Add(Txn.Unchanged(keys.History(name), former.History?.ModRevision ?? 0));
        var (before, after) = (ChangeOf(former.Job, end), ChangeOf(next, end));
        if (former.History is null || before != after)
        {
            var changes = former.Changes.Append(after).TakeLast(ScheduleChange.Kept).ToList();
            txn.Then(Txn.Put(keys.History(name), JsonSerializer.Serialize(changes, JobsJson.Readable.IReadOnlyListScheduleChange)));
        }
    }

    private static ScheduleChange ChangeOf(Job? job, DateTimeOffset after) =>
        job is { Enabled: true } ? new ScheduleChange(after, job.CronExpr, job.TimeZone) : new ScheduleChange(after, "", "");

    /// <summary>Keeps the save as a version. If too many wait for the log store, it replaces the oldest.</summary>
    private void AddVersion(TxnRequest txn, JobName name, JobInEtcd former, Job? next)
    {
        if (SavedVersion.Encode(now, author, former.Revision, former.Job, next) is { } version)
        {
            txn.Then(Txn.Put(keys.Version(name, $"{Guid.CreateVersion7(now):N}"), version));
            txn.Then(
            [
                .. former.Versions.OrderByDescending(pair => pair.ModRevision).Skip(VersionLimits.CountMax - 1).Take(VersionsRemovedMax)
                    .Select(pair => Txn.Delete(pair.Key.ToStringUtf8())),
            ]);
        }
    }
}
