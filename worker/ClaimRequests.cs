using System.Collections.Concurrent;
using Dts.Common;
using Dts.Common.Etcd;
using Dts.Common.Etcd.Wire;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>What the claimer asks of etcd, many fires in one request and a few requests at a time, and the answers that have come.</summary>
/// <remarks>Not thread-safe but for the answers. The claimer's loop owns it; <paramref name="wake"/> tells it that there is an answer.</remarks>
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
    private int _claimsAsked;

    /// <summary>Asks where a fire stands before anything else.</summary>
    public void Look(Fire fire) => _toLook.Enqueue(fire);

    public void Claim(Fire fire) => _toClaim.Enqueue(fire);

    /// <summary>How many more commands could be started now.</summary>
    public int RoomNow() => slots.Total - runs.CountExpected(DateTimeOffset.MaxValue) - _claimsAsked;

    /// <summary>How many more could be started in a little while, when those that have just started, and are likely to be short, have ended.</summary>
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
                pending.TryIn(_toClaim.Dequeue(), RetryPause);
            }
        }
    }

    /// <summary>Finds out whether a claim whose answer was lost has made a run ours.</summary>
    public void Recover(Fire fire, Session session)
    {
        fire.IsAsked = true;
        _requests.Add(RecoverAsync(fire, session));
    }

    public void CreateCursor(Fire fire)
    {
        fire.IsAsked = true;
        _requests.Add(CreateCursorAsync(fire));
    }

    private List<Fire> TakeBatch(Queue<Fire> queue)
    {
        var batch = new List<Fire>();
        while (batch.Count < ClaimsInRequest && queue.TryPeek(out var fire))
        {
            var isLarge = ClaimTxn.CountOperations(fire) > ClaimTxn.OperationsBesideOthers;
            if (isLarge && batch.Count > 0)
            {
                break; // It gets a request of its own.
            }

            queue.Dequeue();

            // One that was forgotten while it waited here stays forgotten: etcd refuses a request with two claims of one job's schedule.
            if (pending.Has(fire) && !fire.IsAsked)
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
            if (AskWithoutRoom(fire, claims, now) is { } request)
            {
                requests.Add(request);
                asked.Add(fire);
            }
            else if (inTheWay.IsHere(fire))
            {
                fire.IsAsked = false;
                inTheWay.WaitFor(fire, [], now);
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
            }
        }

        if (asked.Count > 0)
        {
            _requests.Add(ClaimAsync(claims, requests, asked));
        }
    }

    /// <summary>What is asked for a fire that is not to be started here: it ends without a run, or is handed on; null = it is to be started.</summary>
    private TxnRequest? AskWithoutRoom(Fire fire, ClaimTxn claims, DateTimeOffset now)
    {
        var deadline = $"within {fire.Plan.StartDeadline.TotalSeconds:0} s";
        return fire switch
        {
            { Unplanned: { } why } => claims.CloseUnplanned(fire, why, now),
            { HandTo.Count: > 0 } => claims.HandOver(fire),
            { IsMisfire: true } => claims.CloseMisfired(fire),
            { NobodyMatches: true } => claims.Close(fire, RunStatus.Missed, $"no live worker matches its target ({Display.Line(TargetOf(fire))}) {deadline}", now),
            { IsHindered: true } when now > fire.Deadline => claims.Close(fire, RunStatus.Skipped, $"a run of the job was still going {deadline}", now),
            _ when now > fire.Deadline => claims.Close(fire, RunStatus.Missed, $"no worker could start it {deadline}", now),
            { IsQueued: false, Plan.Overlap: Overlap.Forbid } when now >= fire.PlanTime && inTheWay.IsHere(fire) => claims.Close(fire, RunStatus.Skipped, "the previous run was still going", now),
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

            fires.ForEach(fire => _answers.Enqueue((fire, new ClaimAnswer.Failed(MayBeDone: true))));
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

    /// <summary>A job that was put by hand has no cursor, nor has a worker that is new to a job in mode all: it begins now, just before this fire.</summary>
    private async Task CreateCursorAsync(Fire fire)
    {
        var before = fire.Plan.Schedule.Latest(fire.PlanTime.AddSeconds(-1)) ?? fire.PlanTime.AddSeconds(-1);
        var cursor = new Cursor(before, workerId, "-", Cursor.Moved);
        try
        {
            await etcd.TxnAsync(Txn.If(Txn.Missing(PlaceOf(fire))).Then(Txn.Put(PlaceOf(fire), cursor.ToString())), repeatable: true);
            _answers.Enqueue((fire, new ClaimAnswer.Looked(await etcd.FindAsync(PlaceOf(fire)))));
        }
        catch (EtcdException)
        {
            _answers.Enqueue((fire, new ClaimAnswer.Failed(MayBeDone: false)));
        }

        wake();
    }

    private string PlaceOf(Fire fire) => fire.IsQueued ? keys.Queued(fire.Name, fire.RunId) : keys.Fired(fire.Name, fire.Run.Worker);
}
