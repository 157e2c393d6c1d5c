using System.Threading.Channels;
using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Dts.Worker.Watches;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>Claims fires ahead of their time, many in one request, and hands those that are ours to the launcher.</summary>
/// <remarks>
/// <para>Not thread-safe: one loop, one inbox; answers come back through a queue of their own.</para>
/// <para>Scheme: the first in rank claims at once; each later one waits a little more and looks at the cursor before it claims, so in the
/// ordinary case one worker asks, once. A fire stays pending until its cursor has passed it or its deadline is over. Of one job there is
/// one pending fire (<see cref="PendingFires"/>).</para>
/// </remarks>
internal sealed class Claimer(
    PendingFires pending,
    ClaimRequests requests,
    string workerId,
    SessionKeeper sessions,
    CronZone defaultZone,
    Slots slots,
    RunsInFlight runs,
    Accounts accounts,
    Channel<FireOrder> inbox,
    ChannelWriter<RunOrder> starts,
    Alarm alarm,
    TimeProvider time)
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan BetweenRanks = TimeSpan.FromMilliseconds(20);

    public async Task RunAsync()
    {
        slots.Freed += Wake;
        await foreach (var order in inbox.Reader.ReadAllAsync())
        {
            await TakeAsync(order);
            await SettleAnswersAsync();
            await requests.ForgetAnsweredAsync();
            QueueDue();
            requests.Send();
            alarm.Set(pending.NextDue);
        }

        await requests.WhenAnsweredAsync();
        await SettleAnswersAsync(); // What became ours in the last moment is still started.
        starts.Complete();
    }

    private async Task TakeAsync(FireOrder order)
    {
        switch (order)
        {
            case FireOrder.Claim(var fire):
                pending.Add(fire);
                break;
            case FireOrder.Withdraw(var name, var revision, var why):
                Drop(pending.FindScheduled(name));
                await starts.WriteAsync(new RunOrder.Cancel(name, revision, why));
                break;
            case FireOrder.Matched(var worker, var labels):
                pending.LeaveTo(worker, labels);
                break;
            case FireOrder.Taken(var name, var runId):
                Drop(pending.FindQueued(name, runId));
                break;
            case FireOrder.Kill(var name, var request, var revision):
                await starts.WriteAsync(new RunOrder.Kill(name, request, revision));
                break;
            case FireOrder.OtherData:
                await starts.WriteAsync(new RunOrder.OtherData());
                break;
            case FireOrder.Beat(var pulse):
                await starts.WriteAsync(new RunOrder.Beat(pulse));
                break;
        }
    }

    /// <summary>Forgets a fire that others have dealt with, unless we may be those others.</summary>
    private void Drop(Fire? fire)
    {
        if (fire is { IsAsked: false, IsUncertain: false })
        {
            pending.Forget(fire);
        }
    }

    private void QueueDue()
    {
        foreach (var fire in pending.TakeDue(requests.RoomNow()))
        {
            if (fire.Rank > 0 || fire.IsUncertain || fire.HasAbstained || fire.IsMisfire || fire.NobodyMatches)
            {
                requests.Look(fire);
            }
            else
            {
                requests.Claim(fire);
            }
        }
    }

    /// <summary>An answer waits. When the inbox is full the loop has still to come by.</summary>
    private void Wake() => inbox.Writer.TryWrite(new FireOrder.Tick());

    private async Task SettleAnswersAsync()
    {
        while (requests.TryTakeAnswer(out var fire, out var answer))
        {
            await SettleAsync(fire, answer);
            requests.EndTurn(fire);
        }
    }

    private async Task SettleAsync(Fire fire, ClaimAnswer answer)
    {
        fire.IsUnanswered &= answer is ClaimAnswer.Failed;
        switch (answer)
        {
            case ClaimAnswer.Mine mine:
                await StartAsync(fire, mine);
                pending.Forget(fire);
                break;
            case ClaimAnswer.Closed(var job):
                await accounts.RecordAsync(fire.Name, job, fire.Gap?.Missed);
                await accounts.RecordAsync(fire.Name, job, fire.Closing);
                pending.Forget(fire);
                break;
            case ClaimAnswer.Failed failed:
                fire.IsUncertain |= failed.MayBeDone;
                fire.IsUnanswered |= failed.MayBeDone;
                fire.GoesAlone |= failed.IsRefused;
                pending.TryIn(fire, RetryPause);
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
                pending.Forget(fire);
                break;
        }
    }

    private void SettleLook(Fire fire, KeyValue? place)
    {
#if SABOTAGE
        if (Sabotage.OfCursor && !fire.IsQueued)
        {
            requests.Claim(fire);
            return;
        }
#endif
        if (Parse(place) is { } found && found.PlanTime >= fire.PlanTime)
        {
            Leave(fire);
        }
        else if (fire.IsUncertain && fire.Next is not null)
        {
            pending.GiveWay(fire); // We did not claim it, and the claim of the later fire behind it accounts for it.
        }
        else
        {
            FindGap(fire, place);
            requests.Claim(fire);
        }
    }

    private void Settle(Fire fire, ClaimAnswer.NotMine answer)
    {
        var cursor = Parse(answer.Place);
        if (answer.Job is null)
        {
            Leave(fire);
        }
        else if (cursor is { } reached && reached.PlanTime >= fire.PlanTime)
        {
            Leave(fire);
        }
        else if (answer.Job.ModRevision != fire.Plan.Revision)
        {
            Replan(fire, answer.Job);
        }
        else if (cursor is null)
        {
            requests.CreateCursor(fire, answer.Place);
        }
        else if (FindGap(fire, answer.Place))
        {
            requests.Claim(fire);
        }
        else if (answer.InTheWay.Count > 0)
        {
            requests.WaitFor(fire, answer.InTheWay);
        }
        else
        {
            pending.TryIn(fire, BetweenRanks); // It changed while the request was on its way.
        }
    }

    private void SettleQueued(Fire fire, KeyValue? place)
    {
        if (place?.ModRevision == fire.QueueRevision)
        {
            requests.Claim(fire);
        }
        else
        {
            Leave(fire);
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
            requests.Claim(fire);
        }
        else if (answer.Job.ModRevision != fire.Plan.Revision)
        {
            Replan(fire, answer.Job);
        }
        else if (answer.InTheWay.Count > 0)
        {
            requests.WaitFor(fire, answer.InTheWay);
        }
        else
        {
            pending.TryIn(fire, BetweenRanks);
        }
    }

    /// <summary>Whether the cursor is further back than the plan time before this one, by another distance than was known.</summary>
    private bool FindGap(Fire fire, KeyValue? place)
    {
        if (place is null || Parse(place) is not { } cursor || fire.Gap?.Cursor == place.Value)
        {
            return false;
        }

        var isCandidate = fire.IsMisfire
            || string.CompareOrdinal(
                place.Value.ToStringUtf8(), Cursor.JustBefore(fire.Plan.Schedule.Latest(fire.PlanTime.AddSeconds(-1)))) <= 0;
        if (!isCandidate)
        {
            fire.Gap = null;
            return false;
        }

#if SABOTAGE
        if (Sabotage.OfGap && sessions.Current is null)
        {
            fire.Gap = new Gap(place.Value, null, []);
            return true;
        }
#endif
        // The past of a job that was put by hand after its cursor is unknown. In mode all each worker accounts for its own fires;
        // fires that no worker matches wait here.
        var isPastKnown = place.ModRevision >= fire.Plan.Revision && !(fire.NobodyMatches && fire.Plan.Mode == JobMode.All);
        var waitingFrom = fire.OwedSince.AddSeconds(-1);
        var after = isPastKnown || cursor.PlanTime > waitingFrom ? cursor.PlanTime : waitingFrom;
        var now = time.GetUtcNow();
        var before = fire.IsMisfire ? fire.PlanTime.AddSeconds(1) : fire.PlanTime;
        fire.Gap = Gap.Find(fire, place.Value, (after, before), now, (run, count) => // The claim sets its session when it is sent.
            new OwedEnding(workerId, Session: "", run, RunStatus.Missed, WhyMissed(count, after), now, count, after));
        return true;
    }

    private static string WhyMissed(long count, DateTimeOffset after) =>
        count == 1 ? "no worker claimed it" : $"no worker claimed them: {count} fires since {Cursor.Text(after)}";

    /// <summary>
    /// Somebody has dealt with the fire: another worker, or this one by a claim whose answer was lost. By now the cursor may be further
    /// than that claim put it: others skip the later fires of a job whose run is in flight. So the run itself is looked for.
    /// </summary>
    private void Leave(Fire fire)
    {
        // Looked up before etcd is asked: a run of ours that is not known here by now has either never been known, or its key is gone
        // already.
        if (fire.IsUncertain && runs.Find(fire.Name, fire.RunId) is null && sessions.Current is { } session)
        {
            requests.Recover(fire, session);
        }
        else
        {
            pending.Forget(fire);
        }
    }

    /// <summary>
    /// The job was put anew since it was planned. If it still fires at this time, or was asked for, the new definition is the one to claim.
    /// </summary>
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
            requests.Claim(fire);
        }
        else if (fire.IsQueued)
        {
            fire.Plan = fire.Plan with { Revision = pair.ModRevision };
            fire.Unplanned = $"its job cannot run: {why}";
            requests.Claim(fire);
        }
        else
        {
            pending.Forget(fire);
        }
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

    private static Cursor? Parse(KeyValue? pair) =>
        pair is not null && Cursor.TryParse(pair.Value.ToStringUtf8(), out var cursor) ? cursor : null;

    /// <summary>The revision was compared, so this is the very text that was planned from: it can be read.</summary>
    private static Job ParseClaimed(KeyValue pair) =>
        JobJson.TryParse(pair.Value.Memory, out var job, out var error) ? job : throw new InvalidDataException(error);
}
