using System.Collections.Concurrent;
using System.Threading.Channels;
using Dts.Common;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Etcd.Wire;
using Dts.Common.Jobs;
using Dts.Common.Logs;
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
    ClockCheck clocks,
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
    private static readonly TimeSpan LookForRoom = TimeSpan.FromMilliseconds(200);
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
                Drop(_pending.FindScheduled(name));
                await starts.WriteAsync(new RunOrder.Cancel(name, revision, why));
                break;
            case FireOrder.Matched(var name):
                Drop(_pending.FindScheduled(name) is { NobodyMatches: true } waiting ? waiting : null);
                break;
            case FireOrder.Taken(var name, var runId):
                Drop(_pending.FindQueued(name, runId));
                break;
            case FireOrder.Kill(var name, var request, var revision):
                await starts.WriteAsync(new RunOrder.Kill(name, request, revision));
                break;
        }
    }

    /// <summary>Forgets a fire that others have dealt with, unless we may be those others.</summary>
    private void Drop(Fire? fire)
    {
        if (fire is { IsAsked: false, IsUncertain: false })
        {
            _pending.Forget(fire);
        }
    }

    private void QueueDue()
    {
        foreach (var fire in _pending.TakeDue(RoomNow()))
        {
            (fire.Rank > 0 || fire.IsUncertain || fire.HasAbstained || fire.IsMisfire || fire.NobodyMatches ? _toLook : _toClaim).Enqueue(fire);
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
            if (sessions.Current is { Holds: true } session && clocks.MayClaim)
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
        while (batch.Count < ClaimsInRequest && queue.TryPeek(out var fire))
        {
            var isLarge = ClaimTxn.CountOperations(fire) > ClaimTxn.OperationsBesideOthers;
            if (isLarge && batch.Count > 0)
            {
                break; // It gets a request of its own.
            }

            queue.Dequeue();

            // One that was forgotten while it waited here stays forgotten: etcd refuses a request with two claims of one job's schedule.
            if (_pending.Has(fire) && !fire.IsAsked)
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
            else if (IsHinderedHere(fire))
            {
                fire.IsAsked = false;
                WaitForRunsInTheWay(fire, [], now);
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
                _pending.Abstain(fire, RetryPause);
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
            { IsQueued: false, Plan.Overlap: Overlap.Forbid } when now >= fire.PlanTime && IsHinderedHere(fire) => claims.Close(fire, RunStatus.Skipped, "the previous run was still going", now),
            _ => null,
        };
    }

    private static string TargetOf(Fire fire) => fire.Run.Worker.Length > 0 ? fire.Run.Worker : fire.Plan.Target.ToString();

    /// <summary>In mode all overlap is each worker's own affair.</summary>
    private bool IsHinderedHere(Fire fire) =>
        fire.Plan is { Mode: JobMode.All, Overlap: not Overlap.Allow } && fire.Run.Worker.Length > 0 && runs.All.Any(run => run.Name == fire.Name);

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

        Wake();
    }

    private string PlaceOf(Fire fire) => fire.IsQueued ? keys.Queued(fire.Name, fire.RunId) : keys.Fired(fire.Name, fire.Run.Worker);

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
            case ClaimAnswer.Closed(var job):
                await accounts.RecordAsync(fire.Name, job, fire.Gap?.Missed);
                await accounts.RecordAsync(fire.Name, job, fire.Closing);
                _pending.Forget(fire);
                break;
            case ClaimAnswer.Failed failed:
                fire.IsUncertain |= failed.MayBeDone;
                _pending.TryIn(fire, RetryPause);
                break;
            case ClaimAnswer.Looked(var place) when fire.IsQueued:
                SettleQueued(fire, place);
                break;
            case ClaimAnswer.Looked(var place):
                SettleLook(fire, place);
                break;
            case ClaimAnswer.NotMine notMine when fire.IsQueued:
                SettleQueued(fire, notMine);
                break;
            case ClaimAnswer.NotMine notMine:
                Settle(fire, notMine);
                break;
            case ClaimAnswer.Gone:
                _pending.Forget(fire);
                break;
        }
    }

    private void SettleLook(Fire fire, KeyValue? place)
    {
#if SABOTAGE
        if (Common.Hosting.Sabotage.OfCursor)
        {
            _toClaim.Enqueue(fire);
            return;
        }
#endif
        if (Parse(place) is { } found && found.PlanTime >= fire.PlanTime)
        {
            SettlePassed(fire, found);
        }
        else if (fire.IsUncertain && fire.Next is not null)
        {
            _pending.Forget(fire); // It is not ours, and a later one waits, whose claim accounts for it.
        }
        else
        {
            FindGap(fire, place);
            _toClaim.Enqueue(fire);
        }
    }

    private void Settle(Fire fire, ClaimAnswer.NotMine answer)
    {
        var cursor = Parse(answer.Place);
        if (answer.Job is null)
        {
            _pending.Forget(fire);
        }
        else if (cursor is { } reached && reached.PlanTime >= fire.PlanTime)
        {
            SettlePassed(fire, reached);
        }
        else if (answer.Job.ModRevision != fire.Plan.Revision)
        {
            Replan(fire, answer.Job);
        }
        else if (cursor is null)
        {
            _requests.Add(CreateCursorAsync(fire));
        }
        else if (FindGap(fire, answer.Place))
        {
            _toClaim.Enqueue(fire);
        }
        else if (answer.InTheWay.Count > 0)
        {
            WaitForRunsInTheWay(fire, answer.InTheWay, time.GetUtcNow());
        }
        else
        {
            _pending.TryIn(fire, BetweenRanks); // It changed while the request was on its way.
        }
    }

    private void SettleQueued(Fire fire, KeyValue? place)
    {
        if (place?.ModRevision == fire.QueueRevision)
        {
            _toClaim.Enqueue(fire);
        }
        else if (fire.IsUncertain && runs.Find(fire.Name, fire.RunId) is null && sessions.Current is { } session)
        {
            fire.IsAsked = true;
            _requests.Add(RecoverAsync(fire, session));
        }
        else
        {
            _pending.Forget(fire);
        }
    }

    private void SettleQueued(Fire fire, ClaimAnswer.NotMine answer)
    {
        if (answer.Place?.ModRevision != fire.QueueRevision)
        {
            SettleQueued(fire, answer.Place);
        }
        else if (answer.Job is null)
        {
            fire.Plan = fire.Plan with { Revision = 0 }; // Which is what etcd says of a key that is not there.
            fire.Unplanned = "its job is deleted";
            _toClaim.Enqueue(fire);
        }
        else if (answer.Job.ModRevision != fire.Plan.Revision)
        {
            Replan(fire, answer.Job);
        }
        else if (answer.InTheWay.Count > 0)
        {
            WaitForRunsInTheWay(fire, answer.InTheWay, time.GetUtcNow());
        }
        else
        {
            _pending.TryIn(fire, BetweenRanks);
        }
    }

    /// <summary>A previous run may end in time; with overlap: replace its end is asked for when the time has come.</summary>
    private void WaitForRunsInTheWay(Fire fire, IReadOnlyList<string> inTheWay, DateTimeOffset now)
    {
        fire.IsHindered = true;
        if (now >= fire.Run.NotBefore && fire is { Plan.Overlap: Overlap.Replace, Run.Trigger: RunSpec.Schedule or RunSpec.Manual or RunSpec.Dependent })
        {
            EndRunsInTheWay(fire, inTheWay);
        }

        if (now < fire.Run.NotBefore - ShortlyBefore)
        {
            _pending.TryAt(fire, fire.Run.NotBefore - ShortlyBefore);
        }
        else if (now < fire.Run.NotBefore)
        {
            _pending.TryAt(fire, fire.Run.NotBefore + (BetweenRanks * fire.Rank));
        }
        else
        {
            _pending.TryIn(fire, LookForRoom);
        }
    }

    /// <summary>Asks for the end of the runs that this one replaces: here, in mode all, else by etcd, each once and only if it is still going.</summary>
    private void EndRunsInTheWay(Fire fire, IReadOnlyList<string> inTheWay)
    {
        var reason = $"replaced by the run for {Cursor.Text(fire.PlanTime)}";
        if (IsHinderedHere(fire))
        {
            foreach (var run in runs.All.Where(run => run.Name == fire.Name))
            {
                run.Command?.Kill(reason);
            }
        }
        else if (inTheWay is [var key, ..] && fire.Replaces != key && Keys.TryParseRun(key, keys.AllRuns) is var (name, runId))
        {
            fire.Replaces = key;
            _requests.Add(AskForEndAsync(fire, Txn.If(Txn.Exists(key)).Then(Txn.Put(keys.Killer(name, runId), reason))));
        }
    }

    private async Task AskForEndAsync(Fire fire, TxnRequest ask)
    {
        try
        {
            await etcd.TxnAsync(ask);
        }
        catch (EtcdException)
        {
            fire.Replaces = null; // Asked for again at the next try.
        }
    }

    /// <summary>Whether the cursor is further back than the plan time before this one, by another distance than was known.</summary>
    private bool FindGap(Fire fire, KeyValue? place)
    {
        if (place is null || Parse(place) is not { } cursor || fire.Gap?.Cursor == place.Value)
        {
            return false;
        }

        var isCandidate = fire.IsMisfire || string.CompareOrdinal(place.Value.ToStringUtf8(), Cursor.JustBefore(fire.Plan.Schedule.Latest(fire.PlanTime.AddSeconds(-1)))) <= 0;
        if (!isCandidate)
        {
            fire.Gap = null;
            return false;
        }

        // Put by hand since, or paused: its past is unknown, or is none. In mode all each worker accounts for its own.
        fire.Gap = place.ModRevision < fire.Plan.Revision || (fire.NobodyMatches && fire.Plan.Mode == JobMode.All) || sessions.Current is not { } session
            ? Gap.None(place.Value)
            : Gap.Find(fire, place.Value, (cursor.PlanTime, fire.IsMisfire ? fire.PlanTime.AddSeconds(1) : fire.PlanTime), time.GetUtcNow(), (run, count) =>
                new ClaimTxn(keys, workerId, session).Owe(run, RunStatus.Missed, WhyMissed(count, cursor), time.GetUtcNow(), count, cursor.PlanTime));
        return true;
    }

    private static string WhyMissed(long count, Cursor cursor) =>
        count == 1 ? "no worker claimed it" : $"no worker claimed them: {count} fires since {Cursor.Text(cursor.PlanTime)}";

    /// <summary>The cursor has reached the fire: another worker has it, or we have, and the answer was lost.</summary>
    private void SettlePassed(Fire fire, Cursor cursor)
    {
        // Looked up before etcd is asked: a run of ours that is not known here by now has either never been known, or its key is gone already.
        if (fire.IsUncertain
            && runs.Find(fire.Name, fire.RunId) is null
            && sessions.Current is { } session
            && cursor.PlanTime == fire.PlanTime && cursor.By == workerId && cursor.Session == session.Lease.ToString())
        {
            fire.IsAsked = true;
            _requests.Add(RecoverAsync(fire, session));
        }
        else
        {
            _pending.Forget(fire);
        }
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
        Wake();
    }

    /// <summary>The job was put anew since it was planned. If it still fires at this time, or was asked for, the new definition is the one to claim.</summary>
    private void Replan(Fire fire, KeyValue pair)
    {
        JobSchedule? schedule = null;
        if (JobJson.TryParse(pair.Value.Memory, out var job, out var why)
            && (why = JobRules.FindUnrunnable(job) ?? "").Length == 0
            && JobSchedule.TryParse(job, defaultZone, out schedule, out why)
            && (fire.IsQueued || (job.Enabled && schedule.Has(fire.PlanTime))))
        {
            fire.Plan = JobPlan.Of(job, schedule, pair.ModRevision);
            fire.Gap = null;
            fire.Unplanned = fire.IsQueued && !job.Enabled && fire.Run.Trigger != RunSpec.Manual ? "its job is paused" : null;
            _toClaim.Enqueue(fire);
        }
        else if (fire.IsQueued)
        {
            fire.Plan = fire.Plan with { Revision = pair.ModRevision };
            fire.Unplanned = $"its job cannot run: {why}";
            _toClaim.Enqueue(fire);
        }
        else
        {
            _pending.Forget(fire);
        }
    }

    /// <summary>A job that was put by hand has no cursor, nor has a worker that is new to a job in mode all: it begins now, just before this fire.</summary>
    private async Task CreateCursorAsync(Fire fire)
    {
        fire.IsAsked = true;
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

        Wake();
    }

    private async Task StartAsync(Fire fire, ClaimAnswer.Mine mine)
    {
        var run = new Run(fire.Name, ParseClaimed(mine.Job), mine.Job.ModRevision, fire.Run, time.GetUtcNow(), mine.Revision, mine.Session);
        if (!runs.TryAdd(run))
        {
            throw new InvalidOperationException($"{run.Name}/{run.Id} was claimed twice");
        }

        await accounts.RecordAsync(fire.Name, mine.Job, fire.Gap?.Missed);
        await starts.WriteAsync(new RunOrder.Start(run));
    }

    private static Cursor? Parse(KeyValue? pair) => pair is not null && Cursor.TryParse(pair.Value.ToStringUtf8(), out var cursor) ? cursor : null;

    /// <summary>The revision was compared, so this is the very text that was planned from: it can be read.</summary>
    private static Job ParseClaimed(KeyValue pair) =>
        JobJson.TryParse(pair.Value.Memory, out var job, out var error) ? job : throw new InvalidDataException(error);
}
