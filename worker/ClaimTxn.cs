using System.Text.Json;
using Dts.Common;
using Dts.Common.Etcd;
using Dts.Common.Etcd.Wire;
using Dts.Common.Jobs;

namespace Dts.Worker;

/// <summary>The claim: what is asked of etcd for a fire, and what its answer says.</summary>
/// <remarks>
/// <code>
/// if   the job is at the revision it was planned with, and its cursor is before P, and (overlap: forbid) no run of it is in flight
/// then read cursor and job, put the cursor at P, put the run                                        -> mine
/// else if the first two hold and P has come: read cursor and job, put the cursor at P, "skipped"     -> skipped by me
/// else read cursor, job and the runs in flight                                                     -> somebody else's, changed, or in the way
/// </code>
/// All is compared with the state before the request (etcd evaluates a tree of transactions so), so one request carries many claims, but never
/// two of one job. Around them stands the condition that our session is the one registered.
/// </remarks>
internal sealed class ClaimTxn(Keys keys, string workerId, Session session)
{
    private readonly string _session = session.Lease.ToString();

    /// <summary>One request for many claims.</summary>
    public TxnRequest Around(IEnumerable<TxnRequest> claims)
    {
        var ourSession = new Compare
        {
            Key = Txn.Put(keys.Worker(workerId), "").RequestPut.Key,
            Target = Compare.Types.CompareTarget.Lease,
            Result = Compare.Types.CompareResult.Equal,
            Lease = session.Lease.Value,
        };
        return Txn.If(ourSession).Then([.. claims.Select(Txn.Nested)]);
    }

    public TxnRequest Claim(Fire fire, DateTimeOffset now)
    {
        var claim = Txn.If(StillOpen(fire));
        if (!fire.Plan.MayOverlap)
        {
            claim.Compare.Add(Txn.NoneUnder(keys.Runs(fire.Name)));
        }

        claim.Then(
            Txn.Get(keys.Fired(fire.Name)),
            Txn.Get(keys.Job(fire.Name)),
            PutCursor(fire, Cursor.Claimed),
            Txn.Put(keys.Run(fire.Name, fire.RunId), Describe(fire, now)));

        return now < fire.PlanTime
            ? claim.Else(LookAround(fire))
            : claim.Else(Txn.Nested(Close(fire, Cursor.Skipped).Else(LookAround(fire))));
    }

    /// <summary>Claims a fire whose time is over, only to be the one who records it as missed.</summary>
    public TxnRequest ClaimMissed(Fire fire) => Close(fire, Cursor.Missed).Else(LookAround(fire));

    /// <summary>Reads one claim's answer.</summary>
    /// <param name="revision">The request's revision.</param>
    public ClaimAnswer Read(TxnResponse answer, long revision) => answer switch
    {
        { Succeeded: true, Responses.Count: 4 } => new ClaimAnswer.Mine(First(answer, 1)!, First(answer, 0), revision, session.Lease),
        { Succeeded: true } => new ClaimAnswer.Closed(First(answer, 1)!, First(answer, 0), Cursor.Missed),
        { Responses: [{ ResponseTxn: { Succeeded: true } skip }] } => new ClaimAnswer.Closed(First(skip, 1)!, First(skip, 0), Cursor.Skipped),
        { Responses: [{ ResponseTxn: { } otherwise }] } => ReadOtherwise(otherwise),
        _ => ReadOtherwise(answer),
    };

    private static ClaimAnswer.NotMine ReadOtherwise(TxnResponse answer) =>
        new(First(answer, 0), First(answer, 1), answer.Responses[2].ResponseRange.Count > 0);

    private static KeyValue? First(TxnResponse answer, int index) => answer.Responses[index].ResponseRange.Kvs.FirstOrDefault();

    /// <summary>Puts the cursor at the plan time without a run.</summary>
    private TxnRequest Close(Fire fire, string what) =>
        Txn.If(StillOpen(fire)).Then(Txn.Get(keys.Fired(fire.Name)), Txn.Get(keys.Job(fire.Name)), PutCursor(fire, what));

    private Compare[] StillOpen(Fire fire) =>
    [
        Txn.Unchanged(keys.Job(fire.Name), fire.Plan.Revision),
        Txn.ValueBelow(keys.Fired(fire.Name), Cursor.Text(fire.PlanTime)),
    ];

    private RequestOp PutCursor(Fire fire, string what) =>
        Txn.Put(keys.Fired(fire.Name), new Cursor(fire.PlanTime, workerId, _session, what).ToString());

    private RequestOp[] LookAround(Fire fire) =>
        [Txn.Get(keys.Fired(fire.Name)), Txn.Get(keys.Job(fire.Name)), Txn.List(keys.Runs(fire.Name), keysOnly: true)];

    private string Describe(Fire fire, DateTimeOffset now)
    {
        var run = new RunInFlight(workerId, _session, fire.PlanTime, Attempt: 1, Common.Logs.RunRecord.Scheduled, now);
        return JsonSerializer.Serialize(run, DtsJson.Readable.RunInFlight);
    }
}
