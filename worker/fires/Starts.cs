using Dts.Common.Jobs;
using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>Decides when claimed runs start, and which are cancelled or end without a start.</summary>
internal sealed class Starts(FireContext context, FiresInFlight inFlight)
{
    private static readonly TimeSpan InDoubtPause = TimeSpan.FromMilliseconds(100);

    private readonly LinkedList<Fire> _ready = new(); // The oldest first.
    private readonly List<Run> _toPrepare = [];
    private readonly Cancellations _cancellations = new(); // The answer to a claim may arrive after its job was deleted.
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

        context.Slots.Promised++;
        fire.State = new FireState.Preparing(run);
        _toPrepare.Add(run);
    }

    /// <summary>Has all runs prepared that were claimed since the last call.</summary>
    public void Prepare()
    {
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
            if (inFlight.Find(run) is not { State: FireState.Preparing } fire)
            {
                continue;
            }

            var cancelled = _cancellations.FindWhy(run, context.Now) ?? _startsNothing;
            if (refusal is null)
            {
                fire.State = new FireState.Claimed(run, context.RingAt(run.Spec.NotBefore, fire));
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

    /// <summary>The time of a claimed run has come, or it is too late for it.</summary>
    public void Ring(Fire fire)
    {
        if (fire.State is FireState.Claimed { Run: var run })
        {
            var deadline = run.Spec.NotBefore + TimeSpan.FromSeconds(run.Job.StartDeadlineSeconds);
            fire.State = new FireState.Ready(run, context.Wheel.Add(deadline.ToUnixTimeMilliseconds() + 1, fire));
            _ready.AddLast(fire);
        }
        else if (fire.State is FireState.Ready { Run: var late })
        {
            GiveUp(
                fire,
                RunStatus.Missed,
                $"not started within {late.Job.StartDeadlineSeconds} s: this worker was full, stalled or cut off from etcd");
        }
    }

    /// <summary>
    /// The clock was stepped back: claimed runs start now. If they waited for their time again, they would block their jobs until then.
    /// </summary>
    public void RingAll()
    {
        foreach (var fire in inFlight.All)
        {
            if (fire.State is FireState.Claimed claimed)
            {
                context.Wheel.Cancel(claimed.Timer);
                Ring(fire);
            }
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

    /// <summary>Cancels runs that were claimed before a revision and have not started.</summary>
    /// <param name="runId">Empty = all runs of the job.</param>
    public void Cancel(JobName name, string runId, long revision, string why)
    {
        _cancellations.Add(name, runId, revision, why, context.Now);
        foreach (var fire in inFlight.OfJob(name).ToList())
        {
            if (fire.State is FireState.Claimed or FireState.Ready
                && _cancellations.FindWhy(((FireState.OfRun)fire.State).Run, context.Now) is { } cancelled)
            {
                GiveUp(fire, RunStatus.Cancelled, cancelled);
            }
        }
    }

    public void Kill(JobName name, KillRequest request, long revision)
    {
        Cancel(name, request.RunId, revision, $"killed before it started: {request.Reason}");
        Kill(name, run => run.FencingToken < revision && request.Covers(run.Id), request.Reason, revision);
    }

    /// <summary>Kills the runs of a job that another fire of the job replaces.</summary>
    public void Replace(JobName name, string reason) => Kill(name, _ => true, reason, revision: 0);

    /// <summary>For a restored or wiped etcd: its revisions cannot be compared with those noted before.</summary>
    public void ForgetCancellations() => _cancellations.Clear();

    /// <summary>Cancels all claimed runs that have not started, and those that are claimed from now on.</summary>
    public void GiveUpAll(string why)
    {
        _startsNothing = why;
        foreach (var fire in inFlight.All.Where(fire => fire.State is FireState.Claimed or FireState.Ready).ToList())
        {
            GiveUp(fire, RunStatus.Cancelled, why);
        }
    }

    private void Kill(JobName name, Func<Run, bool> isMeant, string reason, long revision)
    {
        foreach (var fire in inFlight.OfJob(name))
        {
            if (fire.State is FireState.OfRun { Run: var run } && isMeant(run))
            {
                var kill = new FireAction.Kill(run, reason, revision);
                fire.State = fire.State is FireState.Starting starting ? starting with { Kill = kill } : fire.State;
                context.Do(kill);
            }
        }
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
            // Others may have ended it as lost by now. It starts if etcd confirms the session.
            context.Wheel.Cancel(ready.Deadline);
            _ready.Remove(fire);
            fire.State = new FireState.Claimed(ready.Run, context.RingAt(context.Now + InDoubtPause, fire));
            return false;
        }

        if (ready.Run.Session != context.Moment.Session)
        {
            GiveUp(fire, RunStatus.Lost, "the session under which it was claimed expired before it could start");
            return false;
        }

        return true;
    }

    /// <summary>Ends a run that was prepared and does not start.</summary>
    private void GiveUp(Fire fire, RunStatus status, string why)
    {
        var run = ((FireState.OfRun)fire.State).Run;
        StopWaiting(fire);
        context.Do(new FireAction.Drop(run));
        End(fire, run, status, why);
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
