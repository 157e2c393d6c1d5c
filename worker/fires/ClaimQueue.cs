using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>Decides what etcd is asked: many fires in one request, and a few requests at a time.</summary>
/// <remarks>
/// A job has at most one claim under way, whatever triggered its runs: two claims in one request would both find no run in flight and share
/// a fencing token. A claim whose answer was lost counts as under way until etcd has been asked for its outcome. The job's other fires wait
/// for their turn.
/// </remarks>
internal sealed class ClaimQueue(FireContext context, PendingFires pending, RunsInTheWay inTheWay, Starts starts)
{
    private const int ClaimsInRequest = 60;
    private const int RequestsInFlight = 4;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(250);

    private readonly Queue<Fire> _toLook = new();
    private readonly Queue<Fire> _toClaim = new();
    private readonly Dictionary<JobName, Turn> _turns = [];
    private int _requests;

    /// <summary>Whether etcd is asked about any fire.</summary>
    public bool IsAsking => _requests > 0;

    /// <summary>Asks where a fire stands before anything else.</summary>
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

    /// <summary>Finds out whether a claim whose answer was lost has made a run ours.</summary>
    public void Recover(Fire fire, LeaseId session) => Ask(new FireRequest.Recover(fire, session));

    /// <summary>
    /// Creates the cursor of a job that was put by hand, or of a worker that is new to a job in mode all. It begins now, just before this
    /// fire.
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
            if (fire.State is FireState.Asking { TakesSlot: true })
            {
                context.Slots.Asked--; // If the claim succeeded, the run takes the slot from here on.
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

    /// <summary>
    /// Makes a fire wait for runs of its job that are in its way. They are also in the way of the requested runs behind it, so these wait
    /// too, without a request.
    /// </summary>
    public void WaitFor(Fire fire, IReadOnlyList<string> runsInTheWay)
    {
        inTheWay.WaitFor(fire, runsInTheWay);
        if (_turns.GetValueOrDefault(fire.Name) is { } turn && turn.Fire == fire)
        {
            for (var left = turn.Behind.Count; left > 0; left--)
            {
                var other = turn.Behind.Dequeue();
                if (!other.IsToStart(context.Now) || ClaimTxn.MayOverlap(other))
                {
                    turn.Behind.Enqueue(other);
                }
                else if (pending.Has(other))
                {
                    inTheWay.WaitFor(other, []);
                }
            }
        }
    }

    /// <summary>Lets the job's next fire claim, unless this one's claim is under way or its answer was lost.</summary>
    public void EndTurn(Fire fire)
    {
        if (fire.IsAsked
            || (fire.Doubt == Doubt.Unanswered && pending.Has(fire))
            || !_turns.TryGetValue(fire.Name, out var turn)
            || turn.Fire != fire)
        {
            return;
        }

        while (turn.TakeNext())
        {
            if (turn.Fire.State is FireState.AwaitsTurn && pending.Has(turn.Fire))
            {
                Claim(turn.Fire);
                return;
            }
        }

        _turns.Remove(fire.Name);
    }

    private bool TryTakeTurn(Fire fire)
    {
        if (_turns.TryAdd(fire.Name, new Turn(fire)) || _turns[fire.Name].Fire == fire)
        {
            return true;
        }
#if SABOTAGE
        if (Sabotage.OfTurns)
        {
            return true;
        }
#endif
        fire.State = new FireState.AwaitsTurn();
        _turns[fire.Name].Wait(fire);
        return false;
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
            else if (queue == _toLook || TryTakeTurn(fire))
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
        var ahead = forClaims + starts.CountEndingSoon(context.Now - context.ClaimAhead);
        var claims = new ClaimTxn(context.Keys, context.WorkerId, session);
        var asked = new List<Fire>();
        var requests = new List<TxnRequest>();
        foreach (var fire in TakeBatch(_toClaim, fire => fire.State is FireState.ToClaim))
        {
            if (pending.TryForgetOfTheFuture(fire))
            {
                EndTurn(fire);
            }
            else if (AskWithoutSlot(fire, claims) is { } close)
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
    private ClaimTxn.Part? AskWithoutSlot(Fire fire, ClaimTxn claims)
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

    /// <summary>The fire of a job whose turn it is to claim, and the fires that wait.</summary>
    private sealed class Turn(Fire fire)
    {
        private Fire? _planned; // The scheduled fire goes first, because it must start on time.

        public Fire Fire { get; private set; } = fire;

        /// <summary>The requested runs.</summary>
        public Queue<Fire> Behind { get; } = new();

        public void Wait(Fire fire)
        {
            if (fire.IsQueued)
            {
                Behind.Enqueue(fire);
            }
            else
            {
                _planned = fire; // Replaces one that was cancelled: a schedule has one pending fire.
            }
        }

        /// <summary>False = no fire waits.</summary>
        public bool TakeNext()
        {
            var next = _planned ?? (Behind.TryDequeue(out var first) ? first : null);
            (Fire, _planned) = (next ?? Fire, null);
            return next is not null;
        }
    }
}
