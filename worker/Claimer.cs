using System.Collections.Concurrent;
using System.Threading.Channels;
using Dts.Common;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Etcd.Wire;
using Dts.Common.Jobs;
using Dts.Common.Time;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>Claims fires ahead of their time, many in one request, and hands those that are ours to the launcher.</summary>
/// <remarks>
/// <para>Not thread-safe: one loop, one inbox; answers come back through a queue of their own.</para>
/// <para>Scheme: the first in rank claims at once; each later one waits a little more and looks at the cursor before it claims, so in the
/// ordinary case one worker asks, once. A fire stays pending until its cursor has passed it or its deadline is over. Of one job there is one
/// pending fire (<see cref="PendingFires"/>).</para>
/// </remarks>
internal sealed class Claimer(
    EtcdClient etcd,
    Keys keys,
    string workerId,
    SessionKeeper sessions,
    TimeSpan claimAhead,
    CronZone defaultZone,
    Slots slots,
    RunsInFlight runs,
    Accounts accounts,
    Channel<FireOrder> inbox,
    ChannelWriter<RunOrder> starts,
    Alarm alarm,
    TimeProvider time,
    ILogger log)
{
    private const int ClaimsInRequest = 60;
    private const int RequestsInFlight = 4;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan ShortlyBefore = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan BetweenRanks = TimeSpan.FromMilliseconds(20);

    private readonly PendingFires _pending = new(claimAhead, time);
    private readonly Queue<Fire> _toLook = new();
    private readonly Queue<Fire> _toClaim = new();
    private readonly ConcurrentQueue<(Fire Fire, ClaimAnswer Answer)> _answers = new();
    private readonly HashSet<Task> _requests = [];
    private int _claimsAsked;

    public async Task RunAsync()
    {
        slots.Freed += Wake;
        await foreach (var order in inbox.Reader.ReadAllAsync())
        {
            await TakeAsync(order);
            await SettleAnswersAsync();
            await ForgetAnsweredAsync();
            QueueDue();
            Send();
            alarm.Set(_pending.NextDue);
        }

        await Task.WhenAll(_requests);
        await SettleAnswersAsync(); // What became ours in the last moment is still started.
        starts.Complete();
    }

    private async Task TakeAsync(FireOrder order)
    {
        switch (order)
        {
            case FireOrder.Claim(var fire):
                _pending.Add(fire);
                break;
            case FireOrder.Withdraw(var name, var revision, var why):
                if (_pending.Find(name) is { IsAsked: false, IsUncertain: false } pending)
                {
                    _pending.Forget(pending);
                }

                await starts.WriteAsync(new RunOrder.Cancel(name, revision, why));
                break;
            case FireOrder.Kill(var name, var runId, var revision):
                await starts.WriteAsync(new RunOrder.Kill(name, runId, revision));
                break;
        }
    }

    private void QueueDue()
    {
        foreach (var fire in _pending.TakeDue(RoomNow()))
        {
            (fire.Rank > 0 || fire.IsUncertain || fire.HasAbstained ? _toLook : _toClaim).Enqueue(fire);
        }
    }

    /// <summary>How many more commands could be started now.</summary>
    private int RoomNow() => slots.Total - runs.CountExpected(DateTimeOffset.MaxValue) - _claimsAsked;

    /// <summary>How many more could be started in a little while, when those that have just started, and are likely to be short, have ended.</summary>
    private int RoomAhead() => slots.Total - runs.CountExpected(time.GetUtcNow() - claimAhead) - _claimsAsked;

    /// <summary>An exception out of a request is a bug and ends the worker.</summary>
    private async Task ForgetAnsweredAsync()
    {
        foreach (var answered in _requests.Where(request => request.IsCompleted).ToList())
        {
            _requests.Remove(answered);
            await answered;
        }
    }

    private void Send()
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
            if (sessions.Current is { Holds: true } session)
            {
                SendClaims(session);
            }
            else
            {
                _pending.TryIn(_toClaim.Dequeue(), RetryPause);
            }
        }
    }

    private List<Fire> TakeBatch(Queue<Fire> queue)
    {
        var batch = new List<Fire>();
        while (batch.Count < ClaimsInRequest && queue.TryDequeue(out var fire))
        {
            // One that was forgotten while it waited here stays forgotten: etcd refuses a request with two claims of one job.
            if (_pending.Find(fire.Name) == fire && !fire.IsAsked)
            {
                fire.IsAsked = true;
                batch.Add(fire);
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
            if (now > fire.Deadline)
            {
                requests.Add(claims.ClaimMissed(fire));
            }
            else if ((now < fire.PlanTime ? roomAhead : roomNow) > 0)
            {
                (roomNow, roomAhead) = (roomNow - 1, roomAhead - 1);
                _claimsAsked++;
                fire.TakesRoom = true;
                requests.Add(claims.Claim(fire, now));
            }
            else
            {
                fire.IsAsked = false;
                _pending.Abstain(fire, RetryPause);
                continue;
            }

            asked.Add(fire);
        }

        if (asked.Count > 0)
        {
            _requests.Add(ClaimAsync(claims, requests, asked));
        }
    }

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

        Wake();
    }

    private async Task LookAsync(List<Fire> fires)
    {
        try
        {
            var answer = await etcd.TxnAsync(Txn.All(fires.Select(fire => Txn.Get(keys.Fired(fire.Name)))), repeatable: true);
            for (var i = 0; i < fires.Count; i++)
            {
                _answers.Enqueue((fires[i], new ClaimAnswer.Looked(answer.Responses[i].ResponseRange.Kvs.FirstOrDefault())));
            }
        }
        catch (EtcdException)
        {
            fires.ForEach(fire => _answers.Enqueue((fire, new ClaimAnswer.Failed(MayBeDone: false))));
        }

        Wake();
    }

    /// <summary>An answer waits. When the inbox is full the loop has still to come by.</summary>
    private void Wake() => inbox.Writer.TryWrite(new FireOrder.Tick());

    private async Task SettleAnswersAsync()
    {
        while (_answers.TryDequeue(out var answered))
        {
            var fire = answered.Fire;
            fire.IsAsked = false;
            if (fire.TakesRoom)
            {
                fire.TakesRoom = false;
                _claimsAsked--; // If the claim succeeded, the run takes it from here on.
            }

            await SettleAsync(fire, answered.Answer);
        }
    }

    private async Task SettleAsync(Fire fire, ClaimAnswer answer)
    {
        switch (answer)
        {
            case ClaimAnswer.Mine mine:
                await StartAsync(fire, mine);
                _pending.Forget(fire);
                break;
            case ClaimAnswer.Closed closed:
                await accounts.ClosedAsync(ParseClaimed(closed.Job), closed, fire);
                _pending.Forget(fire);
                break;
            case ClaimAnswer.Failed failed:
                fire.IsUncertain |= failed.MayBeDone;
                _pending.TryIn(fire, RetryPause);
                break;
            case ClaimAnswer.Looked(var pair):
                SettleLook(fire, Parse(pair));
                break;
            case ClaimAnswer.NotMine notMine:
                Settle(fire, notMine);
                break;
        }
    }

    private void SettleLook(Fire fire, Cursor? cursor)
    {
        if (cursor is { } found && found.PlanTime >= fire.PlanTime)
        {
            SettlePassed(fire, found);
        }
        else if (fire.IsUncertain && fire.Next is not null)
        {
            _pending.Forget(fire); // It is not ours, and a later one waits, whose claim accounts for it.
        }
        else
        {
            _toClaim.Enqueue(fire);
        }
    }

    private void Settle(Fire fire, ClaimAnswer.NotMine answer)
    {
        var now = time.GetUtcNow();
        if (answer.Job is null)
        {
            _pending.Forget(fire);
        }
        else if (Parse(answer.Cursor) is { } cursor && cursor.PlanTime >= fire.PlanTime)
        {
            SettlePassed(fire, cursor);
        }
        else if (answer.Job.ModRevision != fire.Plan.Revision)
        {
            Replan(fire, answer.Job);
        }
        else if (answer.Cursor is null)
        {
            _requests.Add(CreateCursorAsync(fire));
        }
        else if (answer.InTheWay && now < fire.PlanTime - ShortlyBefore)
        {
            _pending.TryAt(fire, fire.PlanTime - ShortlyBefore);
        }
        else if (answer.InTheWay && now < fire.PlanTime)
        {
            _pending.TryAt(fire, fire.PlanTime + (BetweenRanks * fire.Rank));
        }
        else
        {
            _pending.TryIn(fire, BetweenRanks); // It changed while the request was on its way.
        }
    }

    /// <summary>The cursor has reached the fire: another worker has it, or we have, and the answer was lost.</summary>
    private void SettlePassed(Fire fire, Cursor cursor)
    {
        // Looked up before etcd is asked: a run of ours that is not known here by now has either never been known, or its key is gone already.
        if (fire.IsUncertain
            && runs.Find(fire.Name, fire.RunId) is null
            && sessions.Current is { } session
            && ClaimRecovery.IsOurs(cursor, fire, workerId, session))
        {
            fire.IsAsked = true;
            _requests.Add(RecoverAsync(fire, session, cursor));
        }
        else
        {
            _pending.Forget(fire);
        }
    }

    /// <summary>Reads the claim that was ours out of etcd's history, as its answer would have been.</summary>
    private async Task RecoverAsync(Fire fire, Session session, Cursor cursor)
    {
        ClaimAnswer answer;
        try
        {
            answer = await new ClaimRecovery(etcd, keys, workerId, session).FindAsync(fire, cursor) ?? new ClaimAnswer.NotMine(null, null, false);
        }
        catch (EtcdException failure) when (failure.Error == EtcdError.Compacted)
        {
            answer = new ClaimAnswer.NotMine(null, null, false); // Its run is reaped with the session.
        }
        catch (EtcdException)
        {
            answer = new ClaimAnswer.Failed(MayBeDone: true);
        }

        _answers.Enqueue((fire, answer));
        Wake();
    }

    /// <summary>The job was put anew since it was planned. If it still fires at this time, the new definition is the one to claim.</summary>
    private void Replan(Fire fire, KeyValue pair)
    {
        if (JobJson.TryParse(pair.Value.Memory, out var job, out _)
            && job.Enabled
            && JobRules.FindUnrunnable(job) is null
            && JobSchedule.TryParse(job, defaultZone, out var schedule, out _)
            && schedule.Has(fire.PlanTime))
        {
            fire.Plan = new JobPlan(schedule, pair.ModRevision, job.Overlap == Overlap.Allow, TimeSpan.FromSeconds(job.StartDeadlineSeconds));
            _toClaim.Enqueue(fire);
        }
        else
        {
            _pending.Forget(fire);
        }
    }

    /// <summary>A job that was put by hand has no cursor: it begins now, just before this fire.</summary>
    private async Task CreateCursorAsync(Fire fire)
    {
        fire.IsAsked = true;
        var cursor = new Cursor(fire.PlanTime.AddSeconds(-1), workerId, "-", Cursor.Moved);
        try
        {
            await etcd.TxnAsync(Txn.If(Txn.Missing(keys.Fired(fire.Name))).Then(Txn.Put(keys.Fired(fire.Name), cursor.ToString())), repeatable: true);
            _answers.Enqueue((fire, new ClaimAnswer.Looked(null)));
        }
        catch (EtcdException)
        {
            _answers.Enqueue((fire, new ClaimAnswer.Failed(MayBeDone: false)));
        }

        Wake();
    }

    private async Task StartAsync(Fire fire, ClaimAnswer.Mine mine)
    {
        var run = new Run(fire.Name, ParseClaimed(mine.Job), mine.Job.ModRevision, fire.PlanTime, time.GetUtcNow(), mine.Revision, mine.Session);
        if (!runs.TryAdd(run))
        {
            throw new InvalidOperationException($"{run.Name}/{run.Id} was claimed twice");
        }

        await accounts.MissedBeforeAsync(run.Job, mine.Job, mine.OldCursor, fire.PlanTime);
        await starts.WriteAsync(new RunOrder.Start(run));
    }

    private static Cursor? Parse(KeyValue? pair) => pair is not null && Cursor.TryParse(pair.Value.ToStringUtf8(), out var cursor) ? cursor : null;

    /// <summary>The revision was compared, so this is the very text that was planned from: it can be read.</summary>
    private static Job ParseClaimed(KeyValue pair) =>
        JobJson.TryParse(pair.Value.Memory, out var job, out var error) ? job : throw new InvalidDataException(error);
}
