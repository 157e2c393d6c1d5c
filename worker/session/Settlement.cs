using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Runs;
using Etcdserverpb;
using Google.Protobuf;
using Mvccpb;

namespace Dts.Worker.Sessions;

/// <summary>
/// Decides, without I/O, about keys that nobody follows: runs in flight, owed endings, kill requests, cursors.
/// <see cref="Settler"/> reads them and performs the decisions.
/// </summary>
/// <remarks>Not thread-safe, except <see cref="SettleOwn"/>.</remarks>
internal sealed class Settlement(Keys keys, string workerId)
{
    public const string NeverHeard = "it never heard that its claim was granted";

    private static readonly TimeSpan RecordsComeWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RecordAgainAfter = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan CursorOutlivesJob = TimeSpan.FromDays(1);
    private const string NoRun = "the key names no run of a job";

    private readonly Dictionary<string, DateTimeOffset> _recorded = []; // When this worker recorded an owed ending, by key.

    /// <summary>
    /// Decides about this worker's runs. Those in etcd that it holds move to its present session. The others in etcd end as
    /// lost, unless their claim is under a minute old and of the present session. A run
    /// that it holds and that etcd no longer has was ended as lost by another worker.
    /// </summary>
    public IReadOnlyList<SettleAction> SettleOwn(OwnRunsRead read, LeaseId session, DateTimeOffset now)
    {
        var held = read.HeldAfter.ToDictionary(run => keys.Run(run.Name, run.Id));
        var actions = read.InEtcd.Select(pair => DecideOwn(pair, held, session, now)).OfType<SettleAction>().ToList();
        var inEtcd = read.InEtcd.Select(pair => pair.Key.ToStringUtf8()).ToHashSet();
        foreach (var run in read.HeldBefore.Where(run => run is { Status: null, LostAtMs: 0 }))
        {
            if (keys.Run(run.Name, run.Id) is var key && !inEtcd.Contains(key))
            {
                actions.Add(run.Job.OnWorkerLost == OnWorkerLost.Rerun
                    ? new SettleAction.KillHere(key, run)
                    : new SettleAction.GoOn(key, run));
            }
        }

        return actions;
    }

    /// <summary>Decides for the reaper: about keys of workers that are gone, and keys that DTS cannot read.</summary>
    public IReadOnlyList<SettleAction> SettleCluster(ClusterTables read, DateTimeOffset now)
    {
        var workers = read.Workers.Select(worker => keys.WorkerOf(worker.Key.ToStringUtf8())).ToHashSet();
        var sessions = read.Workers.Select(worker => new LeaseId(worker.Lease).ToString()).ToHashSet();
        _recorded.Keys.Except(read.Owed.Select(pair => pair.Key.ToStringUtf8())).ToList().ForEach(key => _recorded.Remove(key));
        return
        [
            .. read.Runs.Select(pair => DecideRun(pair, workers, sessions)).OfType<SettleAction>(),
            .. read.Owed.Select(pair => DecideOwed(pair, sessions, now)).OfType<SettleAction>(),
            .. FindAnswered(read.KillRequests, read.Runs).Select(pair => new SettleAction.RemoveKillRequest(pair)),
        ];
    }

    /// <summary>Notes that an ending is being recorded. If the disk has no room yet, it must not be recorded again and again.</summary>
    public void Recording(SettleAction.RecordOwed ending, DateTimeOffset now) => _recorded[ending.Key] = now;

    /// <summary>
    /// A cursor is kept for a day after its job (in mode all, also after its worker) is gone, so that a job that is deleted and saved again
    /// starts no fire twice. The job's history goes with the cursor.
    /// </summary>
    public IEnumerable<SettleAction> FindOldCursors(CursorTables read, DateTimeOffset now)
    {
        var jobs = read.Jobs.Select(job => job.Key.ToStringUtf8()[keys.Jobs.Length..]).ToHashSet();
        var workers = read.Workers.Select(worker => keys.WorkerOf(worker.Key.ToStringUtf8())).ToHashSet();
        foreach (var pair in read.Cursors)
        {
            var place = PlaceOf(pair);
            var (job, worker) = (place[0], place.ElementAtOrDefault(1));
            var isOver = !jobs.Contains(job) || (worker is not null && !workers.Contains(worker));
            if (isOver && HasOutlived(pair, now))
            {
                yield return new SettleAction.RemoveCursor(pair, jobs.Contains(job) ? null : keys.AllHistory + job);
            }
        }
    }

    /// <summary>The cursors that are old enough to be removed with their jobs.</summary>
    public static IReadOnlyList<KeyValue> FindOutlived(IEnumerable<KeyValue> cursors, DateTimeOffset now) =>
        [.. cursors.Where(pair => HasOutlived(pair, now))];

    /// <summary>The key range that covers the jobs of these cursors.</summary>
    public RangeRequest JobsOf(IReadOnlyList<KeyValue> cursors)
    {
        var byBytes = Comparer<ByteString>.Create((one, other) => one.Span.SequenceCompareTo(other.Span));
        var jobs = cursors.Select(pair => Txn.Bytes(keys.Jobs + PlaceOf(pair)[0])).Order(byBytes).ToList();
        return new RangeRequest { Key = jobs[0], RangeEnd = TableLoader.After(jobs[^1]) };
    }

    private static bool HasOutlived(KeyValue pair, DateTimeOffset now) =>
        Cursor.TryParse(pair.Value.ToStringUtf8(), out var cursor) && now - cursor.PlanTime > CursorOutlivesJob;

    private string[] PlaceOf(KeyValue pair) => pair.Key.ToStringUtf8()[keys.AllFired.Length..].Split('/', 2);

    private SettleAction? DecideOwn(KeyValue pair, Dictionary<string, Run> held, LeaseId session, DateTimeOffset now)
    {
        // The reaper removes the keys that cannot be read.
        if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllRuns) is not var (name, runId)
            || !Documents.TryReadInFlight(runId, pair.Value.Span, out var claim, out _) || claim.Worker != workerId)
        {
            return null;
        }

        var isOfThisSession = claim.Session == session.ToString();
        if (held.TryGetValue(keys.Run(name, runId), out var run))
        {
            // Its key may be moved already, by a request whose answer was lost: then the run does not know, and it is moved again.
            return (isOfThisSession && run.Session == session) || !run.IsOf(pair) ? null : new SettleAction.MoveToSession(pair, claim, run);
        }

        if (isOfThisSession)
        {
            return now - claim.Claimed > Run.HeardWithin
                ? new SettleAction.EndLost(pair, name, claim, NeverHeard)
                : null;
        }

        return new SettleAction.EndLost(pair, name, claim, "it was restarted");
    }

    private SettleAction? DecideRun(KeyValue pair, HashSet<string> workers, HashSet<string> sessions)
    {
        if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllRuns) is not var (name, runId))
        {
            return new SettleAction.RemoveUnreadable(pair, NoRun);
        }

        if (!Documents.TryReadInFlight(runId, pair.Value.Span, out var claim, out var why))
        {
            return new SettleAction.RemoveUnreadable(pair, why);
        }

        // A worker that is back settles its former runs itself.
        return sessions.Contains(claim.Session) || workers.Contains(claim.Worker)
            ? null
            : new SettleAction.EndLost(pair, name, claim, "its session has expired");
    }

    /// <summary>The worker that decided an ending records it. The reaper does so if that session is over, or after half a minute.</summary>
    private SettleAction? DecideOwed(KeyValue pair, HashSet<string> sessions, DateTimeOffset now)
    {
        if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllOwed) is not var (name, runId))
        {
            return new SettleAction.RemoveUnreadable(pair, NoRun);
        }

        if (!Documents.TryReadOwed(runId, pair.Value.Span, out var owed, out var why))
        {
            return new SettleAction.RemoveUnreadable(pair, why);
        }

        var action = new SettleAction.RecordOwed(pair, name, owed);
        var isLeft = !sessions.Contains(owed.Session) || now - owed.Decided > RecordsComeWithin;
        var isBeingRecorded = _recorded.TryGetValue(action.Key, out var recorded) && (now - recorded).Duration() <= RecordAgainAfter;
        return isLeft && !isBeingRecorded ? action : null;
    }

    /// <summary>The kill requests whose runs are over. Requests made while nothing was in flight have a lease, and expire.</summary>
    private IEnumerable<KeyValue> FindAnswered(IReadOnlyList<KeyValue> requests, IReadOnlyList<KeyValue> runs)
    {
        var inFlight = runs
            .Select(pair => Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllRuns))
            .OfType<(JobName Name, string RunId)>()
            .ToHashSet();
        var jobs = inFlight.Select(run => run.Name).ToHashSet();
        return requests.Where(request => request.Lease == 0
            && !(keys.TryParseKiller(request.Key.ToStringUtf8()) is var (name, runId)
                && (runId.Length == 0 ? jobs.Contains(name) : inFlight.Contains((name, runId)))));
    }

    /// <summary>The runs in etcd, and those that this worker held just before and just after they were read.</summary>
    /// <remarks>A run that was claimed meanwhile is only among the latter; its absence from etcd means nothing.</remarks>
    public sealed record OwnRunsRead(
        IReadOnlyList<KeyValue> InEtcd, IReadOnlyCollection<Run> HeldBefore, IReadOnlyCollection<Run> HeldAfter);

    /// <summary>Tables of etcd, read in this order. Of kill requests and workers only the keys are needed.</summary>
    /// <remarks>
    /// The runs that a kill request covers are older than it. A worker whose run is in the table registered before it claimed the run.
    /// </remarks>
    public sealed record ClusterTables(
        IReadOnlyList<KeyValue> KillRequests,
        IReadOnlyList<KeyValue> Runs,
        IReadOnlyList<KeyValue> Owed,
        IReadOnlyList<KeyValue> Workers);

    /// <summary>Tables of etcd. Cursors are read first, so a job or worker that appears meanwhile only delays a removal.</summary>
    public sealed record CursorTables(IReadOnlyList<KeyValue> Cursors, IReadOnlyList<KeyValue> Jobs, IReadOnlyList<KeyValue> Workers);
}
