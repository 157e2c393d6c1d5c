using Dts.Common.Jobs;
using Dts.Worker.Runs;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>Decides what to ask etcd about each fire, and what to do with the answer.</summary>
/// <remarks>
/// The worker of rank 0 claims at once. Each later one waits a little longer and looks at the cursor before it claims, so usually one
/// worker asks, once. A fire stays pending until its cursor has passed it or its deadline is over.
/// </remarks>
internal sealed class Claims(
    FireContext context, PendingFires pending, ClaimQueue queue, Starts starts, FiresInFlight inFlight, Func<JobName, long> revisionOf)
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan ShortPause = TimeSpan.FromMilliseconds(20);

    private readonly BacklogFinder _backlogs = new(context);
    private readonly Replans _replans = new(context, pending, queue, revisionOf);
    private readonly JobReader _jobs = new();

    /// <summary>Forgets a fire, unless etcd is asked about it or a claim whose answer was lost may have made it ours.</summary>
    /// <returns>True = the fire is forgotten, or there was none.</returns>
    public bool Drop(Fire? fire)
    {
        var isFree = fire is null or { IsAsked: false, Doubt: Doubt.None };
        if (isFree && fire is not null)
        {
            pending.Forget(fire);
        }

        return isFree;
    }

    public void TryDue()
    {
        foreach (var fire in pending.TakeDue(context.Slots.ForClaims))
        {
            if (fire.Rank > 0
                || fire.Doubt != Doubt.None
                || fire.Met.HasFlag(Hindrances.NoSlot)
                || fire.IsMisfire
                || fire.NobodyMatches
                || MayReplaceHere(fire))
            {
                queue.Look(fire);
            }
            else
            {
                queue.Claim(fire);
            }
        }
    }

    public void Handle(FireRequest request, IReadOnlyList<ClaimAnswer> answers)
    {
        queue.Answered(request);
        foreach (var (fire, answer) in request.Fires.Zip(answers))
        {
            // The lost claim may have had another backlog. The reaper records the endings that it put for that.
            fire.Backlog = request is FireRequest.Recover ? null : fire.Backlog;
            Handle(fire, answer);
            queue.EndTurn(fire);
        }
    }

    private void Handle(Fire fire, ClaimAnswer answer)
    {
        if (answer is not ClaimAnswer.Failed && fire.Doubt == Doubt.Unanswered)
        {
            fire.Doubt = Doubt.MayBeOurs;
        }

        switch (answer)
        {
            case ClaimAnswer.Mine mine:
                Start(fire, mine);
                break;
            case ClaimAnswer.WasGranted granted:
                queue.ReadJob(fire, granted);
                break;
            case ClaimAnswer.Closed(var job, var found):
                context.RecordOwed(fire, job, found ?? (fire.State as FireState.Asking)?.Closing);
                pending.Forget(fire);
                break;
            case ClaimAnswer.Failed failed:
                fire.Doubt = failed.MayBeDone ? Doubt.Unanswered : fire.Doubt;
                fire.Met |= failed.IsRefused ? Hindrances.Refused : Hindrances.None;
                pending.TryIn(fire, RetryPause);
                break;
            case ClaimAnswer.Looked(var key) when fire.IsQueued:
                HandleQueued(fire, key);
                break;
            case ClaimAnswer.Looked(var key):
                HandleLook(fire, key);
                break;
            case ClaimAnswer.NotMine notMine when fire.IsQueued:
                HandleQueued(fire, notMine);
                break;
            case ClaimAnswer.NotMine notMine:
                HandlePlanned(fire, notMine);
                break;
            case ClaimAnswer.Gone:
                pending.Forget(fire);
                break;
        }
    }

    /// <summary>
    /// Whether claiming this fire would end runs here before etcd is asked. After a step back the fire may already have been decided.
    /// </summary>
    private bool MayReplaceHere(Fire fire) =>
        fire is { IsQueued: false, Plan: { Mode: JobMode.All, Overlap: Overlap.Replace } } && inFlight.OfJob(fire.Name).Any();

    private void HandleLook(Fire fire, KeyValue? key)
    {
#if SABOTAGE
        if (Sabotage.OfCursor && !fire.IsQueued)
        {
            queue.Claim(fire);
            return;
        }
#endif
        if (BacklogFinder.ReadCursor(key) is { } found && found.PlanTime >= fire.PlanTime)
        {
            Leave(fire);
        }
        else if (fire.GaveWayAt is not null)
        {
            pending.WaitOn(fire);
        }
        else if (fire.Doubt != Doubt.None && fire.Next is not null)
        {
            pending.GiveWay(fire); // We have not claimed it, and the claim of the next fire accounts for it.
        }
        else
        {
            _backlogs.Find(fire, key);
            queue.Claim(fire);
        }
    }

    private void HandlePlanned(Fire fire, ClaimAnswer.NotMine answer)
    {
        var cursor = BacklogFinder.ReadCursor(answer.Key);
        if (answer.Job is null || cursor?.PlanTime >= fire.PlanTime)
        {
            Leave(fire);
        }
        else if (answer.Job.ModRevision != fire.Plan.Revision)
        {
            _replans.Replan(fire, answer.Job);
        }
        else if (cursor is null)
        {
            queue.CreateCursor(fire, answer.Key);
        }
        else if (_backlogs.Find(fire, answer.Key))
        {
            queue.Claim(fire);
        }
        else
        {
            TryAgain(fire, answer.InTheWay);
        }
    }

    private void HandleQueued(Fire fire, KeyValue? key)
    {
        if (key?.ModRevision == fire.QueueRevision)
        {
            queue.Claim(fire);
        }
        else
        {
            Leave(fire);
        }
    }

    private void HandleQueued(Fire fire, ClaimAnswer.NotMine answer)
    {
        if (answer.Key?.ModRevision != fire.QueueRevision)
        {
            Leave(fire);
        }
        else if (answer.Job is null)
        {
            fire.Plan = fire.Plan with { Revision = 0 }; // As etcd reports it for a key that does not exist.
            fire.Unplanned = "its job is deleted";
            queue.Claim(fire);
        }
        else if (answer.Job.ModRevision != fire.Plan.Revision)
        {
            _replans.Replan(fire, answer.Job);
        }
        else
        {
            TryAgain(fire, answer.InTheWay);
        }
    }

    private void TryAgain(Fire fire, IReadOnlyList<string> runsInTheWay)
    {
        if (runsInTheWay.Count > 0)
        {
            queue.WaitFor(fire, runsInTheWay);
        }
        else
        {
            pending.TryIn(fire, ShortPause); // By the answer it can be claimed: something has changed in between.
        }
    }

    /// <summary>
    /// The fire was claimed, by another worker or by this one with a claim whose answer was lost. A later skip may have moved the cursor,
    /// which then no longer shows whose claim it was. So this looks for the run instead.
    /// </summary>
    private void Leave(Fire fire)
    {
        // A run that is not in flight here was never known here, or has ended and its key is gone. So a recovered run starts once.
        if (fire.Doubt != Doubt.None && !inFlight.Has(fire.Name, fire.RunId) && context.Moment.Session is { } session)
        {
            queue.Recover(fire, session);
        }
        else
        {
            pending.Forget(fire);
        }
    }

    private void Start(Fire fire, ClaimAnswer.Mine mine)
    {
        var job = _jobs.TryParse(mine.Job.Value.Memory, out var parsed, out var error, out _)
            ? parsed
            : throw new InvalidDataException(error); // Its revision was compared, so this is the very text that was planned from.
        context.RecordOwed(fire, mine.Job, closing: null);
        pending.Leave(fire);
        starts.Claimed(fire, new Run(fire.Name, job, mine.Job.ModRevision, fire.Run, context.Now, mine.Revision, mine.Session));
    }
}
