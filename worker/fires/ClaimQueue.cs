using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>Sends requests about fires to etcd: many fires in one request, and a few requests at a time.</summary>
internal sealed class ClaimQueue(
    FireContext context, PendingFires pending, EarlyFires early, RunsInTheWay inTheWay, FiresInFlight inFlight)
{
    private const int ClaimsInRequest = 60;
    private const int RequestsInFlight = 4;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(250);

    private readonly Queue<Fire> _toLook = new();
    private readonly Queue<Fire> _toClaim = new();
    private readonly ClaimTurns _turns = new(pending);
    private int _requests;

    /// <summary>Whether a request to etcd is under way.</summary>
    public bool IsAsking => _requests > 0;

    /// <summary>Reads the cursor, or the key in the queue, before the fire is claimed.</summary>
    public void Look(Fire fire)
    {
        fire.State = new FireState.ToLook();
        _toLook.Enqueue(fire);
    }

    public void Claim(Fire fire)
    {
        fire.State = new FireState.ToClaim();
        _toClaim.Enqueue(fire);
    }

    /// <summary>Finds out what a claim whose answer was lost has done.</summary>
    public void Recover(Fire fire, LeaseId session) => Ask(new FireRequest.Recover(
        fire,
        Txn.All([
            Txn.Get(context.Keys.Run(fire.Name, fire.RunId)),
            Txn.Get(context.Keys.Owed(fire.Name, fire.RunId)),
            Txn.Get(context.Keys.Job(fire.Name))]),
        context.WorkerId,
        session));

    public void ReadJob(Fire fire, ClaimAnswer.WasGranted granted) =>
        Ask(new FireRequest.ReadJob(fire, Txn.All([Txn.Get(context.Keys.Job(fire.Name), granted.Revision)]), granted));

    /// <summary>
    /// Creates the cursor of a job that was put by hand, or of a worker that is new to a job in mode all. It begins at the plan time before
    /// this fire.
    /// </summary>
    /// <param name="found">An unreadable cursor to replace; null = there is none.</param>
    public void CreateCursor(Fire fire, KeyValue? found)
    {
        var key = KeyOf(fire);
        if (found is not null)
        {
            context.Do(new FireAction.LogCursorReplaced(key, found.Value.ToStringUtf8()));
        }

        var before = fire.Plan.Schedule.Latest(fire.PlanTime.AddSeconds(-1)) ?? fire.PlanTime.AddSeconds(-1);
        var cursor = new Cursor(before, context.WorkerId, "-", Cursor.Moved);
        Ask(new FireRequest.CreateCursor(
            fire,
            Txn.If(Txn.Unchanged(key, found?.ModRevision ?? 0))
                .Then(Txn.Put(key, cursor.ToString()), Txn.Get(key))
                .Else(Txn.Get(key))));
    }

    /// <summary>A request is answered: its fires are free for the next step.</summary>
    public void Answered(FireRequest request)
    {
        _requests--;
        foreach (var fire in request.Fires)
        {
            if (fire.State is FireState.Asking { TakesSlot: true } asking)
            {
                fire.State = asking with { TakesSlot = false }; // If the claim succeeded, the run takes the slot from here on.
                context.Slots.Asked--;
            }
        }
    }

    public void Send()
    {
        while (_requests < RequestsInFlight && _toLook.Count > 0)
        {
            if (TakeBatch(_toLook, fire => fire.State is FireState.ToLook) is { Count: > 0 } fires)
            {
                Ask(new FireRequest.Look(fires, Txn.All(fires.Select(fire => Txn.Get(KeyOf(fire))))));
            }
        }

        while (_requests < RequestsInFlight && _toClaim.Count > 0)
        {
            if (context.Moment is { SessionHolds: true, MayClaim: true, Session: { } session })
            {
                SendClaims(session);
            }
            else
            {
                var fire = _toClaim.Dequeue();
                if (fire.State is FireState.ToClaim && pending.Has(fire))
                {
                    pending.TryIn(fire, RetryPause);
                }

                EndTurn(fire);
            }
        }
    }

    /// <summary>Makes a fire wait for runs of its job that are in its way, and with it the requested runs behind it.</summary>
    public void WaitFor(Fire fire, IReadOnlyList<string> runsInTheWay)
    {
        inTheWay.WaitFor(fire, runsInTheWay);
        foreach (var other in _turns.TakeBehind(fire, other => other.IsToStart(context.Now) && !ClaimTxn.MayOverlap(other)))
        {
            inTheWay.WaitFor(other, []);
        }
    }

    /// <inheritdoc cref="ClaimTurns.End"/>
    public void EndTurn(Fire fire)
    {
        if (_turns.End(fire) is { } next)
        {
            Claim(next);
        }
    }

    private List<Fire> TakeBatch(Queue<Fire> queue, Func<Fire, bool> isStillThere)
    {
        var batch = new List<Fire>();
        while (batch.Count < ClaimsInRequest && queue.TryPeek(out var fire))
        {
            var isLarge = fire.Met.HasFlag(Hindrances.Refused) || ClaimTxn.CountOperations(fire) > ClaimTxn.OperationsBesideOthers;
            if (isLarge && batch.Count > 0)
            {
                break; // It gets a request of its own.
            }

            queue.Dequeue();
            if (!isStillThere(fire) || !pending.Has(fire))
            {
                EndTurn(fire); // It was cancelled while it waited here.
            }
            else if (queue == _toLook || _turns.TryTake(fire))
            {
                fire.State = new FireState.Asking(TakesSlot: false, Closing: null);
                batch.Add(fire);
                if (isLarge)
                {
                    break;
                }
            }
        }

        return batch;
    }

    private void SendClaims(LeaseId session)
    {
        var forClaims = context.Slots.ForClaims;
        var ahead = forClaims + inFlight.CountEndingSoon(context.Now - context.ClaimAhead);
        var claims = new ClaimTxn(context.Keys, context.WorkerId, session);
        var asked = new List<Fire>();
        var requests = new List<TxnRequest>();
        foreach (var fire in TakeBatch(_toClaim, fire => fire.State is FireState.ToClaim))
        {
            if (early.TryTake(fire))
            {
                EndTurn(fire);
            }
            else if (CloseOrHandOver(fire, claims) is { } close)
            {
                fire.State = new FireState.Asking(TakesSlot: false, close.Closing);
                requests.Add(close.Txn);
                asked.Add(fire);
            }
            else if (inTheWay.AreHere(fire))
            {
                inTheWay.WaitFor(fire, []);
                EndTurn(fire);
            }
            else if ((context.Now < fire.Run.NotBefore ? ahead : forClaims) > 0)
            {
                (forClaims, ahead) = (forClaims - 1, ahead - 1);
                context.Slots.Asked++;
                var claim = claims.Claim(fire, context.Now);
                fire.State = new FireState.Asking(TakesSlot: true, claim.Closing);
                requests.Add(claim.Txn);
                asked.Add(fire);
            }
            else
            {
                pending.Abstain(fire, RetryPause);
                EndTurn(fire);
            }
        }

        if (asked.Count > 0)
        {
            Ask(new FireRequest.Claim(asked, claims.Around(requests), session));
        }
    }

    /// <summary>The request for a fire that ends without a run here or is handed on; null = it starts here.</summary>
    private ClaimTxn.Part? CloseOrHandOver(Fire fire, ClaimTxn claims)
    {
        var now = context.Now;
        var deadline = $"within {fire.Plan.StartDeadline.TotalSeconds:0} s";
        return fire switch
        {
            { Unplanned: { } why } => claims.CloseUnplanned(fire, why, now),
            { HandTo.Count: > 0 } => claims.HandOver(fire),
            { IsMisfire: true } => claims.CloseMisfired(fire),
            { NobodyMatches: true } =>
                claims.Close(fire, RunStatus.Missed, $"no live worker matches its target ({Display.Line(TargetOf(fire))}) {deadline}", now),
            _ when now > fire.Deadline && fire.Met.HasFlag(Hindrances.RunInTheWay) =>
                claims.Close(fire, RunStatus.Skipped, $"a run of the job was still going {deadline}", now),
            _ when now > fire.Deadline => claims.Close(fire, RunStatus.Missed, $"no worker could start it {deadline}", now),
            { IsQueued: false, Plan.Overlap: Overlap.Forbid } when now >= fire.PlanTime && inTheWay.AreHere(fire) =>
                claims.Close(fire, RunStatus.Skipped, "the previous run was still going", now),
            _ => null,
        };
    }

    private void Ask(FireRequest request)
    {
        foreach (var fire in request.Fires.Where(fire => !fire.IsAsked))
        {
            fire.State = new FireState.Asking(TakesSlot: false, Closing: null);
        }

        _requests++;
        context.Do(new FireAction.Ask(request));
    }

    private static string TargetOf(Fire fire) => fire.Run.Worker.Length > 0 ? fire.Run.Worker : fire.Plan.Target.ToString();

    /// <summary>The key that tells whether the fire is still open: its entry in the queue, or the cursor.</summary>
    private string KeyOf(Fire fire) =>
        fire.IsQueued ? context.Keys.Queued(fire.Name, fire.RunId) : context.Keys.Fired(fire.Name, fire.Run.Worker);
}
