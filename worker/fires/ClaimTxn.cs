using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Runs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>The transaction that claims or closes a fire, and the reading of its answer.</summary>
/// <remarks>
/// <code>
/// if   the job is at the revision it was planned with, its cursor is before P and not before the plan time that precedes P,
///      and (overlap: forbid or replace) no run of it is in flight
/// then read the job, put the cursor at P, put the run                                            -> mine
/// else if only the last fails and P has come (overlap: forbid, planned fires):
///      put the cursor at P, put an owed ending, skipped                                           -> closed
/// else read cursor, job and the runs in flight                                                   -> another's, changed, or blocked
/// </code>
/// <para>If the cursor is further back, a claim over a backlog requires the cursor to be unchanged since it was read, and also puts the
/// owed endings and queued runs of the plan times in between. So they are as durable as the claim, and are decided once.</para>
/// <para>A run out of the queue is claimed in the same way: its unchanged key takes the place of the cursor, and is deleted.</para>
/// <para>etcd evaluates all comparisons of a request against the state before it. So one request carries many claims, but never two of one
/// job. All are under one condition: this worker's registration has its session's lease.</para>
/// </remarks>
internal sealed class ClaimTxn(Keys keys, string workerId, LeaseId session)
{
    private readonly string _session = session.ToString();

    /// <summary>One fire's part of a request.</summary>
    /// <param name="Closing">The ending that it decides, if it closes the fire without a run.</param>
    public sealed record Part(TxnRequest Txn, OwedEnding? Closing = null);

    /// <summary>
    /// A claim with more operations gets a request of its own: etcd allows 128 along one path of nested transactions.
    /// </summary>
    public const int OperationsBesideOthers = 12;

    private const int AccountedTwiceMax = 40; // Both branches put the backlog's keys, and etcd counts both: they lie on one path.

    /// <summary>How many operations the claim of a fire takes, at most.</summary>
    public static int CountOperations(Fire fire) =>
        4 + (fire.Backlog is { } backlog ? 2 * (backlog.Again.Count + 1) : 0) + fire.HandTo.Count + fire.Plan.AfterFailure.Count;

    /// <summary>Whether etcd grants the claim beside other runs of the job. In mode all each worker prevents overlap itself.</summary>
    public static bool MayOverlap(Fire fire) =>
        fire.Plan.Overlap == Overlap.Allow || (fire.Run.Worker.Length > 0 && fire.Plan.Mode == JobMode.All);

    /// <summary>One request for many claims.</summary>
    public TxnRequest Around(IEnumerable<TxnRequest> claims)
    {
        var ourSession = Txn.HasLease(keys.Worker(workerId), session);
        return Txn.If(ourSession).Then([.. claims.Select(Txn.Nested)]);
    }

    public Part Claim(Fire fire, DateTimeOffset now)
    {
        var claim = Txn.If(StillOpen(fire));
        var mayOverlap = MayOverlap(fire);
        if (!mayOverlap)
        {
            claim.Compare.Add(Txn.NoneUnder(keys.Runs(fire.Name)));
        }

        claim.Then([
            Txn.Get(keys.Job(fire.Name)),
            Take(fire, Cursor.Claimed),
            Txn.Put(
                keys.Run(fire.Name, fire.RunId),
                JsonSerializer.Serialize(new ClaimedRun(workerId, _session, now, fire.Run), JobsJson.Readable.ClaimedRun)),
            .. Account(fire.Backlog, fire.Name)]);

        if (fire.IsQueued
            || now < fire.PlanTime
            || mayOverlap
            || fire.Plan.Overlap == Overlap.Replace
            || fire.Backlog is { Again.Count: > AccountedTwiceMax })
        {
            return new Part(claim.Else(LookAround(fire)));
        }

        var skip = Close(fire, RunStatus.Skipped, "the previous run was still going", now);
        return skip with { Txn = claim.Else(Txn.Nested(skip.Txn)) };
    }

    /// <summary>Claims a fire to end it without a run.</summary>
    public Part Close(Fire fire, RunStatus status, string why, DateTimeOffset now)
    {
        var closing = Owe(fire.Run, status, why, now);
        return new Part(
            Txn.If(StillOpen(fire)).Then([
                Take(fire, status == RunStatus.Skipped ? Cursor.Skipped : Cursor.Missed),
                Put(fire.Name, closing),
                Txn.Get(keys.Job(fire.Name)),
                .. GiveUp(fire, now),
                .. Account(fire.Backlog, fire.Name)]).Else(LookAround(fire)),
            closing);
    }

    /// <summary>Claims a misfired fire, which starts nothing: its backlog includes it, and decides what becomes of it.</summary>
    public Part CloseMisfired(Fire fire) => new(
        Txn.If(StillOpen(fire))
            .Then([Take(fire, Cursor.Missed), Txn.Get(keys.Job(fire.Name)), .. Account(fire.Backlog, fire.Name)])
            .Else(LookAround(fire)));

    /// <summary>Takes a run out of the queue and cancels it, because its job is gone or cannot run.</summary>
    public Part CloseUnplanned(Fire fire, string why, DateTimeOffset now)
    {
        var closing = Owe(fire.Run, RunStatus.Cancelled, why, now);
        return new Part(
            Txn.If(StillOpen(fire))
                .Then([Take(fire, ""), Put(fire.Name, closing), Txn.Get(keys.Job(fire.Name)), .. GiveUp(fire, now)])
                .Else(LookAround(fire)),
            closing);
    }

    /// <summary>Replaces a queued run of a job in mode all by one for each worker.</summary>
    public Part HandOver(Fire fire)
    {
        var queued = fire.HandTo.Select((worker, index) => Put(
            fire.Name, fire.Run with { Worker = worker, ShardIndex = index, ShardTotal = fire.HandTo.Count }));
        return new Part(
            Txn.If(StillOpen(fire)).Then([Take(fire, Cursor.Moved), Txn.Get(keys.Job(fire.Name)), .. queued]).Else(LookAround(fire)));
    }

    private OwedEnding Owe(RunSpec run, RunStatus status, string why, DateTimeOffset now) => new(workerId, _session, run, status, why, now);

    public static ClaimAnswer Read(TxnResponse answer, long revision, LeaseId session) => answer switch
    {
        { Succeeded: true, Responses: [{ ResponseRange: { } job }, ..] } => new ClaimAnswer.Mine(job.Kvs[0], revision, session),
        { Succeeded: true } => new ClaimAnswer.Closed(FindJob(answer)),
        { Responses: [{ ResponseTxn: { Succeeded: true } closed }] } => new ClaimAnswer.Closed(FindJob(closed)),
        { Responses: [{ ResponseTxn: { } otherwise }] } => ReadOtherwise(otherwise),
        _ => ReadOtherwise(answer),
    };

    private static KeyValue? FindJob(TxnResponse closed) =>
        closed.Responses.FirstOrDefault(response => response.ResponseRange is not null)?.ResponseRange.Kvs.FirstOrDefault();

    private static ClaimAnswer.NotMine ReadOtherwise(TxnResponse answer) => new(
        Key: First(answer, 0),
        Job: First(answer, 1),
        InTheWay: [.. answer.Responses[2].ResponseRange.Kvs.Select(run => run.Key.ToStringUtf8())]);

    private static KeyValue? First(TxnResponse answer, int index) => answer.Responses[index].ResponseRange.Kvs.FirstOrDefault();

    private Compare[] StillOpen(Fire fire) => (fire, fire.Backlog) switch
    {
#if SABOTAGE
        ({ IsQueued: false }, _) when Sabotage.OfCursor => [Txn.Unchanged(keys.Job(fire.Name), fire.Plan.Revision)],
#endif
        ({ IsQueued: true }, _) =>
        [
            Txn.Unchanged(keys.Job(fire.Name), fire.Plan.Revision),
            Txn.Unchanged(keys.Queued(fire.Name, fire.RunId), fire.QueueRevision),
        ],
        (_, { } backlog) =>
        [
            Txn.Unchanged(keys.Job(fire.Name), fire.Plan.Revision),
            Txn.ValueIs(CursorOf(fire), backlog.Cursor),
            Txn.ValueBelow(CursorOf(fire), Cursor.Text(fire.PlanTime)),
        ],
        _ =>
        [
            Txn.Unchanged(keys.Job(fire.Name), fire.Plan.Revision),
            Txn.ValueBelow(CursorOf(fire), Cursor.Text(fire.PlanTime)),
            Txn.ValueAbove(CursorOf(fire), Cursor.JustBefore(fire.Plan.Schedule.Latest(fire.PlanTime.AddSeconds(-1)))),
        ],
    };

    /// <summary>Moves the cursor to the fire, or takes it out of the queue.</summary>
    private RequestOp Take(Fire fire, string what) => fire.IsQueued
        ? Txn.Delete(keys.Queued(fire.Name, fire.RunId))
        : Txn.Put(CursorOf(fire), new Cursor(fire.PlanTime, workerId, _session, what).ToString());

    private IEnumerable<RequestOp> GiveUp(Fire fire, DateTimeOffset now) =>
        FollowUps.AfterGivenUp(fire.Name, fire.Run, fire.Plan.AfterFailure, now).Select(next => Put(next.Job, next.Run));

    /// <summary>The keys that a backlog puts. The ending gets this session, because the backlog may have been found without one.</summary>
    private IEnumerable<RequestOp> Account(Backlog? backlog, JobName name) => backlog is null
        ? []
        : [
            .. backlog.Again.Select(run => Put(name, run)),
            .. backlog.Missed is { } missed ? [Put(name, missed with { Session = _session })] : Array.Empty<RequestOp>()];

    private RequestOp Put(JobName name, OwedEnding owed) =>
        Txn.Put(keys.Owed(name, owed.Run.Id), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding));

    private RequestOp Put(JobName name, RunSpec run) =>
        Txn.Put(keys.Queued(name, run.Id), JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec));

    private RequestOp[] LookAround(Fire fire) =>
    [
        Txn.Get(fire.IsQueued ? keys.Queued(fire.Name, fire.RunId) : CursorOf(fire)),
        Txn.Get(keys.Job(fire.Name)),
        Txn.List(keys.Runs(fire.Name), keysOnly: true),
    ];

    private string CursorOf(Fire fire) => keys.Fired(fire.Name, fire.Run.Worker);
}
