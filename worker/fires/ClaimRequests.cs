using System.Collections.Concurrent;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Etcdserverpb;
using Microsoft.Extensions.Logging;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>
/// What the claimer asks of etcd, many fires in one request and a few requests at a time, and the answers that have come.
/// </summary>
/// <remarks>
/// <para>Not thread-safe, except the arrival of answers. The claimer's loop owns it; <paramref name="wake"/> announces an answer.</para>
/// <para>A job has at most one claim under way, whatever triggered its runs: two claims in one request would both find no run in flight
/// and share a fencing token. A claim whose answer was lost counts as under way until etcd has been asked for its outcome. The job's
/// other fires wait for their turn.</para>
/// </remarks>
internal sealed class ClaimRequests(
    EtcdClient etcd,
    Keys keys,
    string workerId,
    SessionKeeper sessions,
    TimeSpan claimAhead,
    Slots slots,
    RunsInFlight runs,
    ClockCheck clocks,
    PendingFires pending,
    RunsInTheWay inTheWay,
    Action wake,
    TimeProvider time,
    ILogger log)
{
    private const int ClaimsInRequest = 60;
    private const int RequestsInFlight = 4;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(250);

    private readonly Queue<Fire> _toLook = new();
    private readonly Queue<Fire> _toClaim = new();
    private readonly ConcurrentQueue<(Fire Fire, ClaimAnswer Answer)> _answers = new();
    private readonly HashSet<Task> _requests = [];
    private readonly Dictionary<JobName, Turn> _turns = [];
    private int _claimsAsked;

    /// <summary>Asks where a fire stands before anything else.</summary>
    public void Look(Fire fire) => _toLook.Enqueue(fire);

    public void Claim(Fire fire) => _toClaim.Enqueue(fire);

    /// <summary>How many more commands could be started now.</summary>
    public int RoomNow() => slots.Total - runs.CountExpected(DateTimeOffset.MaxValue) - _claimsAsked;

    /// <summary>
    /// How many more could be started in a little while, when those that have just started, and are likely to be short, have ended.
    /// </summary>
    private int RoomAhead() => slots.Total - runs.CountExpected(time.GetUtcNow() - claimAhead) - _claimsAsked;

    /// <summary>An exception out of a request is a bug and ends the worker.</summary>
    public async Task ForgetAnsweredAsync()
    {
        foreach (var answered in _requests.Where(request => request.IsCompleted).ToList())
        {
            _requests.Remove(answered);
            await answered;
        }
    }

    /// <summary>Waits for all that is under way.</summary>
    public Task WhenAnsweredAsync() => Task.WhenAll(_requests);

    /// <summary>The next answer that has come.</summary>
    public bool TryTakeAnswer(out Fire fire, out ClaimAnswer answer)
    {
        var isThere = _answers.TryDequeue(out var answered);
        (fire, answer) = answered;
        if (isThere)
        {
            fire.IsAsked = false;
            if (fire.TakesRoom)
            {
                fire.TakesRoom = false;
                _claimsAsked--; // If the claim succeeded, the run takes it from here on.
            }
        }

        return isThere;
    }

    public void Send()
    {
        while (_requests.Count < RequestsInFlight && _toLook.Count > 0)
        {
            if (TakeBatch(_toLook) is { Count: > 0 } fires)
            {
                _requests.Add(LookAsync(fires));
            }
        }

        while (_requests.Count < RequestsInFlight && _toClaim.Count > 0)
        {
            if (sessions.Current is { Holds: true } session && clocks.MayClaim)
            {
                SendClaims(session);
            }
            else
            {
                var fire = _toClaim.Dequeue();
                if (pending.Has(fire))
                {
                    pending.TryIn(fire, RetryPause);
                }

                EndTurn(fire);
            }
        }
    }

    /// <summary>
    /// Makes a fire wait for runs of its job that are in its way. They are also in the way of the requested runs behind it, so these
    /// wait too, without asking etcd.
    /// </summary>
    public void WaitFor(Fire fire, IReadOnlyList<string> runsInTheWay)
    {
        var now = time.GetUtcNow();
        inTheWay.WaitFor(fire, runsInTheWay, now);
        if (_turns.GetValueOrDefault(fire.Name) is { } turn && turn.Fire == fire)
        {
            for (var left = turn.Behind.Count; left > 0; left--)
            {
                var other = turn.Behind.Dequeue();
                if (!other.IsToStart(now) || ClaimTxn.MayOverlap(other))
                {
                    turn.Behind.Enqueue(other);
                }
                else if (pending.Has(other))
                {
                    inTheWay.WaitFor(other, [], now);
                }
            }
        }
    }

    /// <summary>Lets the job's next fire claim, unless this one's claim is under way or its answer was lost.</summary>
    public void EndTurn(Fire fire)
    {
        if (fire.IsAsked || (fire.IsUnanswered && pending.Has(fire)) || !_turns.TryGetValue(fire.Name, out var turn) || turn.Fire != fire)
        {
            return;
        }

        if (turn.TakeNext())
        {
            _toClaim.Enqueue(turn.Fire);
        }
        else
        {
            _turns.Remove(fire.Name);
        }
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
        _turns[fire.Name].Wait(fire);
        return false;
    }

    /// <summary>Finds out whether a claim whose answer was lost has made a run ours.</summary>
    public void Recover(Fire fire, Session session)
    {
        fire.IsAsked = true;
        _requests.Add(RecoverAsync(fire, session));
    }

    /// <param name="found">An unreadable cursor to replace; null = there is none.</param>
    public void CreateCursor(Fire fire, KeyValue? found)
    {
        if (found is not null)
        {
            var value = Display.Line(found.Value.ToStringUtf8());
            log.DocumentRemoved(PlaceOf(fire), $"it is \"{value}\"; expected a time such as 2026-11-22T10:00:00Z");
        }

        fire.IsAsked = true;
        _requests.Add(CreateCursorAsync(fire, found?.ModRevision ?? 0));
    }

    private List<Fire> TakeBatch(Queue<Fire> queue)
    {
        var batch = new List<Fire>();
        while (batch.Count < ClaimsInRequest && queue.TryPeek(out var fire))
        {
            var isLarge = fire.GoesAlone || ClaimTxn.CountOperations(fire) > ClaimTxn.OperationsBesideOthers;
            if (isLarge && batch.Count > 0)
            {
                break; // It gets a request of its own.
            }

            queue.Dequeue();

            if (!pending.Has(fire) || fire.IsAsked)
            {
                EndTurn(fire); // The fire was withdrawn while it waited here.
            }
            else if (queue == _toLook || TryTakeTurn(fire))
            {
                fire.IsAsked = true;
                batch.Add(fire);
                if (isLarge)
                {
                    break;
                }
            }
        }

        return batch;
    }

    private void SendClaims(Session session)
    {
        var now = time.GetUtcNow();
        var (roomNow, roomAhead) = (RoomNow(), RoomAhead());
        var claims = new ClaimTxn(keys, workerId, session);
        var asked = new List<Fire>();
        var requests = new List<TxnRequest>();
        foreach (var fire in TakeBatch(_toClaim))
        {
            if (pending.TryForgetOfTheFuture(fire, now))
            {
                fire.IsAsked = false;
                EndTurn(fire);
            }
            else if (AskWithoutRoom(fire, claims, now) is { } request)
            {
                requests.Add(request);
                asked.Add(fire);
            }
            else if (inTheWay.IsHere(fire))
            {
                fire.IsAsked = false;
                inTheWay.WaitFor(fire, [], now);
                EndTurn(fire);
            }
            else if ((now < fire.Run.NotBefore ? roomAhead : roomNow) > 0)
            {
                (roomNow, roomAhead) = (roomNow - 1, roomAhead - 1);
                _claimsAsked++;
                fire.TakesRoom = true;
                requests.Add(claims.Claim(fire, now));
                asked.Add(fire);
            }
            else
            {
                fire.IsAsked = false;
                pending.Abstain(fire, RetryPause);
                EndTurn(fire);
            }
        }

        if (asked.Count > 0)
        {
            _requests.Add(ClaimAsync(claims, requests, asked));
        }
    }

    /// <summary>
    /// What is asked for a fire that is not to be started here: it ends without a run, or is handed on; null = it is to be started.
    /// </summary>
    private TxnRequest? AskWithoutRoom(Fire fire, ClaimTxn claims, DateTimeOffset now)
    {
        var deadline = $"within {fire.Plan.StartDeadline.TotalSeconds:0} s";
        return fire switch
        {
            { Unplanned: { } why } => claims.CloseUnplanned(fire, why, now),
            { HandTo.Count: > 0 } => claims.HandOver(fire),
            { IsMisfire: true } => claims.CloseMisfired(fire),
            { NobodyMatches: true } =>
                claims.Close(fire, RunStatus.Missed, $"no live worker matches its target ({Display.Line(TargetOf(fire))}) {deadline}", now),
            { IsHindered: true } when now > fire.Deadline =>
                claims.Close(fire, RunStatus.Skipped, $"a run of the job was still going {deadline}", now),
            _ when now > fire.Deadline => claims.Close(fire, RunStatus.Missed, $"no worker could start it {deadline}", now),
            { IsQueued: false, Plan.Overlap: Overlap.Forbid } when now >= fire.PlanTime && inTheWay.IsHere(fire) =>
                claims.Close(fire, RunStatus.Skipped, "the previous run was still going", now),
            _ => null,
        };
    }

    private static string TargetOf(Fire fire) => fire.Run.Worker.Length > 0 ? fire.Run.Worker : fire.Plan.Target.ToString();

    private async Task ClaimAsync(ClaimTxn claims, List<TxnRequest> requests, List<Fire> fires)
    {
        try
        {
            var answer = await etcd.TxnAsync(claims.Around(requests));
            for (var i = 0; i < fires.Count; i++)
            {
                _answers.Enqueue((fires[i], answer.Succeeded
                    ? claims.Read(answer.Responses[i].ResponseTxn, answer.Header.Revision)
                    : new ClaimAnswer.Failed(MayBeDone: false)));
            }
        }
        catch (EtcdException failure)
        {
            if (failure.Error != EtcdError.Unavailable)
            {
                log.ClaimRefused(failure.Message, fires.Count);
            }

            var failed = new ClaimAnswer.Failed(
                MayBeDone: failure.Error == EtcdError.Unavailable, IsRefused: failure.Error == EtcdError.Refused);
            fires.ForEach(fire => _answers.Enqueue((fire, failed)));
        }

        wake();
    }

    private async Task LookAsync(List<Fire> fires)
    {
        try
        {
            var answer = await etcd.TxnAsync(Txn.All(fires.Select(fire => Txn.Get(PlaceOf(fire)))), repeatable: true);
            for (var i = 0; i < fires.Count; i++)
            {
                _answers.Enqueue((fires[i], new ClaimAnswer.Looked(answer.Responses[i].ResponseRange.Kvs.FirstOrDefault())));
            }
        }
        catch (EtcdException)
        {
            fires.ForEach(fire => _answers.Enqueue((fire, new ClaimAnswer.Failed(MayBeDone: false))));
        }

        wake();
    }

    /// <summary>Reads the claim that was ours out of etcd's history, as its answer would have been.</summary>
    private async Task RecoverAsync(Fire fire, Session session)
    {
        ClaimAnswer answer;
        try
        {
            answer = await new ClaimRecovery(etcd, keys, workerId, session).FindAsync(fire) is { } mine ? mine : new ClaimAnswer.Gone();
        }
        catch (EtcdException failure) when (failure.Error == EtcdError.Compacted)
        {
            answer = new ClaimAnswer.Gone(); // Its run is reaped with the session.
        }
        catch (EtcdException)
        {
            answer = new ClaimAnswer.Failed(MayBeDone: true);
        }

        _answers.Enqueue((fire, answer));
        wake();
    }

    /// <summary>
    /// A job that was put by hand has no cursor, nor has a worker that is new to a job in mode all: it begins now, just before this fire.
    /// </summary>
    private async Task CreateCursorAsync(Fire fire, long found)
    {
        var before = fire.Plan.Schedule.Latest(fire.PlanTime.AddSeconds(-1)) ?? fire.PlanTime.AddSeconds(-1);
        var cursor = new Cursor(before, workerId, "-", Cursor.Moved);
        try
        {
            var create = Txn.If(Txn.Unchanged(PlaceOf(fire), found)).Then(Txn.Put(PlaceOf(fire), cursor.ToString()));
            await etcd.TxnAsync(create, repeatable: true);
            _answers.Enqueue((fire, new ClaimAnswer.Looked(await etcd.FindAsync(PlaceOf(fire)))));
        }
        catch (EtcdException)
        {
            _answers.Enqueue((fire, new ClaimAnswer.Failed(MayBeDone: false)));
        }

        wake();
    }

    private string PlaceOf(Fire fire) => fire.IsQueued ? keys.Queued(fire.Name, fire.RunId) : keys.Fired(fire.Name, fire.Run.Worker);

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
                _planned = fire; // Replaces one that was withdrawn: a schedule has one pending fire.
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
