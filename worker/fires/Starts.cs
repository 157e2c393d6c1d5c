using Dts.Common.Jobs;
using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>Decides when claimed runs start, and which are cancelled or end without a start.</summary>
internal sealed class Starts(FireContext context, FiresInFlight inFlight, Cancellations cancellations)
{
    private static readonly TimeSpan InDoubtPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(500); // Holders may die again and again.

    private const string Silent = "the holder (the process that starts commands) did not answer";

    private readonly LinkedList<Fire> _ready = new(); // The oldest first.
    private readonly List<Run> _toPrepare = [];
    private readonly StartTimes _times = new(context);
    private string? _startsNothing; // Why; null = it starts what is claimed.

    public void Claimed(Fire fire, Run run)
    {
        if (inFlight.TryTakeOver(fire, run))
        {
            return;
        }

        var isOvertaken = inFlight.IsOvertaken(fire, run);
        inFlight.Add(fire, run);
        if (isOvertaken)
        {
            End(fire, run, RunStatus.Missed, "etcd's answer to its claim was lost, and a later run of the job came first");
            return;
        }

        Prepare(fire, run, run.Spec.NotBefore);
    }

    /// <summary>Warms up the holders whose commands start soon, and has all runs prepared that were claimed since the last call.</summary>
    public void Prepare()
    {
        _times.WarmUp();
        if (_toPrepare.Count > 0)
        {
            context.Do(new FireAction.Prepare([.. _toPrepare]));
            _toPrepare.Clear();
        }
    }

    public void Prepared(IReadOnlyList<Preparation> runs)
    {
        foreach (var (run, refusal) in runs)
        {
            if (inFlight.Find(run) is not { State: FireState.Preparing preparing } fire)
            {
                continue;
            }

            // The answer to its claim may have come after its job was deleted.
            var cancelled = cancellations.FindWhy(run, context.Now) ?? _startsNothing;
            if (refusal is null)
            {
                _times.Wait(fire, run, preparing.StartsAt);
                if (cancelled is not null)
                {
                    GiveUp(fire, RunStatus.Cancelled, cancelled);
                }
            }
            else
            {
                context.Slots.Promised--;
                End(fire, run, cancelled is null ? RunStatus.Failed : RunStatus.Cancelled, cancelled ?? refusal);
            }
        }
    }

    /// <summary>The start of a run came too late. It is tried again while the run may still start.</summary>
    public void CameTooLate(Run run, string why)
    {
        if (inFlight.Find(run) is not { State: FireState.Starting { Kill: var kill } } fire)
        {
            return;
        }

        context.Slots.Taken--;
        if (kill is null && context.Now + RetryPause < StartPatience.FindLatestStart(fire, run))
        {
            context.Do(new FireAction.DropToRetry(run, why));
            Prepare(fire, run, context.Now + RetryPause);
            return;
        }

        context.Do(new FireAction.Drop(run));
        var (status, because) = kill is null ? (RunStatus.Missed, why) : (RunStatus.Cancelled, Kills.WhyKilled(kill.Reason));
        End(fire, run, status, because);
    }

    /// <summary>The timer of a run has rung: for a warm-up, for its start, or because it is too late for it.</summary>
    public void Ring(Fire fire)
    {
        if (fire.State is FireState.Claimed claimed && _times.TakeRing(fire, claimed))
        {
            BeReady(fire);
        }
        else if (fire.State is FireState.Ready { Run: var late })
        {
            GiveUp(
                fire,
                RunStatus.Missed,
                $"not started within {late.Job.StartDeadlineSeconds} s: "
                    + (IsHolderSilent(late) ? Silent : "this worker was full, stalled or cut off from etcd"));
        }
    }

    /// <summary>
    /// After a step back of the clock, starts the claimed runs whose time is now far ahead: if they waited, they would block their jobs.
    /// </summary>
    public void TakeStepBack()
    {
        foreach (var fire in inFlight.All.Where(fire => fire.State is FireState.Claimed claimed && _times.IsTooFarAhead(claimed)))
        {
            BeReady(fire);
        }
    }

    public void StartReady()
    {
        if (_ready.Count == 0)
        {
            return;
        }

        List<Fire> starting = [];
        for (var node = _ready.First; node is not null && context.Slots.HasFree;)
        {
            var fire = node.Value;
            node = node.Next;
            var ready = (FireState.Ready)fire.State;
            if (ready.Deadline.DueMs <= context.Now.ToUnixTimeMilliseconds())
            {
                Ring(fire);
            }
            else if (MayStart(fire, ready))
            {
                StopWaiting(fire);
                context.Slots.Taken++;
                fire.State = new FireState.Starting(ready.Run, Kill: null);
                starting.Add(fire);
            }
        }

        foreach (var (together, patience) in StartPatience.Group(starting, context.Moment))
        {
            context.Do(new FireAction.Start([.. together.Select(fire => ((FireState.Starting)fire.State).Run)], patience));
        }
    }

    /// <summary>Cancels all claimed runs that have not started, and those that are claimed from now on.</summary>
    public void GiveUpAll(string why)
    {
        _startsNothing = why;
        foreach (var fire in inFlight.All.Where(fire => fire.State is FireState.Claimed or FireState.Ready).ToList())
        {
            GiveUp(fire, RunStatus.Cancelled, why);
        }
    }

    /// <summary>Ends a run that was prepared and does not start.</summary>
    public void GiveUp(Fire fire, RunStatus status, string why)
    {
        var run = ((FireState.OfRun)fire.State).Run;
        StopWaiting(fire);
        context.Do(new FireAction.Drop(run));
        End(fire, run, status, why);
    }

    private bool MayStart(Fire fire, FireState.Ready ready)
    {
#if SABOTAGE
        if (Sabotage.OfSession)
        {
            return true;
        }
#endif
        if (!context.Moment.SessionHolds)
        {
            PutOff(fire, ready); // Others may have ended it as lost by now. It starts if etcd confirms the session.
        }
        else if (ready.Run.Session != context.Moment.Session)
        {
            GiveUp(fire, RunStatus.Lost, "the session under which it was claimed expired before it could start");
        }
        else if (!IsHolderSilent(ready.Run))
        {
            return true;
        }
        else if (context.Now < StartPatience.FindLatestStart(fire, ready.Run))
        {
            PutOff(fire, ready);
        }
        else
        {
            GiveUp(fire, RunStatus.Missed, Silent);
        }

        return false;
    }

    private bool IsHolderSilent(Run run) => context.Slots.SilentHolders.Contains(run.User);

    private void PutOff(Fire fire, FireState.Ready ready)
    {
        context.Wheel.Cancel(ready.Deadline);
        _ready.Remove(fire);
        _times.Wait(fire, ready.Run, context.Now + InDoubtPause);
    }

    private void BeReady(Fire fire)
    {
        fire.State = _times.End(fire);
        _ready.AddLast(fire);
    }

    private void Prepare(Fire fire, Run run, DateTimeOffset startsAt)
    {
        context.Slots.Promised++;
        fire.State = new FireState.Preparing(run, startsAt);
        _toPrepare.Add(run);
    }

    private void StopWaiting(Fire fire)
    {
        switch (fire.State)
        {
            case FireState.Claimed claimed:
                context.Wheel.Cancel(claimed.Timer);
                break;
            case FireState.Ready ready:
                context.Wheel.Cancel(ready.Deadline);
                _ready.Remove(fire);
                break;
        }

        context.Slots.Promised--;
    }

    private void End(Fire fire, Run run, RunStatus status, string why)
    {
        fire.State = new FireState.Ended(run);
        context.Do(new FireAction.RecordNotStarted(run, status, why));
    }
}
