using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>Claimed runs: they start at their time if a slot is free and the session holds, and end when somebody asks for it.</summary>
internal sealed class Starts(FireContext context)
{
    private static readonly TimeSpan InDoubtPause = TimeSpan.FromMilliseconds(100);

    // The time in which a missed start is noticed and recorded, and the key of its run is deleted from etcd.
    private static readonly TimeSpan EndsBeforeNext = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan LeastPatience = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(500);

    private readonly Dictionary<(JobName, string), Fire> _runs = [];
    private readonly LinkedList<Fire> _ready = new(); // The oldest first.
    private readonly HashSet<JobName> _short = [];    // Jobs whose last run here was short.
    private readonly Cancellations _cancellations = new(); // The answer to a claim may arrive after its job was deleted.

    public bool Has(JobName name, string runId) => _runs.ContainsKey((name, runId));

    /// <summary>The fires of a job whose runs are in flight here.</summary>
    public IEnumerable<Fire> OfJob(JobName name) => _runs.Values.Where(fire => fire.Name == name);

    /// <summary>
    /// How many commands are likely to have ended in a little while: they have started since a moment, and their jobs are short.
    /// </summary>
    public int CountEndingSoon(DateTimeOffset since) => _short.Count == 0
        ? 0
        : _runs.Values.Count(fire => fire.State is FireState.Running running && running.StartedAt >= since && _short.Contains(fire.Name));

    /// <exception cref="InvalidOperationException">The run is in flight here already.</exception>
    public void Claimed(Fire fire, Run run)
    {
        Add(fire);
        if (_cancellations.FindWhy(run, context.Now) is { } why)
        {
            End(fire, run, RunStatus.Cancelled, why);
            return;
        }

        context.Slots.Promised++;
        fire.State = new FireState.Claimed(run, context.RingAt(run.Spec.NotBefore, fire));
        context.Do(new FireAction.Prepare(run));
    }

    public void Adopted(Run run, DateTimeOffset startedAt)
    {
        Add(new Fire(run.Name, run.Spec, JobPlan.Unknown, rank: 0) { State = new FireState.Running(run, startedAt) });
        context.Slots.Taken++;
    }

    public void Refused(Run run, string why)
    {
        switch (Find(run))
        {
            case { State: FireState.Claimed or FireState.Ready } fire:
                StopWaiting(fire);
                End(fire, run, RunStatus.Failed, why);
                break;
            case { State: FireState.Starting } fire: // Its time had come when it was claimed, so both actions were decided together.
                context.Slots.Taken--;
                End(fire, run, RunStatus.Failed, why);
                break;
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

    /// <summary>The clock was stepped back. Runs that were about to start do, or their jobs would wait until then again.</summary>
    public void RingAll()
    {
        foreach (var fire in _runs.Values)
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

        // A run whose job is due again soon has less time to start, and does not shorten the time of the others.
        foreach (var group in starting.GroupBy(fire => FindNext(fire) - context.Now < HeldCommands.StartsWithin + EndsBeforeNext))
        {
            context.Do(new FireAction.Start([.. group.Select(fire => ((FireState.Starting)fire.State).Run)], FindPatience(group)));
        }
    }

    public void Started(Run run, DateTimeOffset startedAt)
    {
        if (Find(run) is { State: FireState.Starting starting } fire)
        {
            fire.State = new FireState.Running(run, startedAt);
            if (starting.Kill is { } kill)
            {
                context.Do(kill);
            }
        }
    }

    public void Ended(Run run, TimeSpan ran)
    {
        if (Find(run) is { State: FireState.Running } fire)
        {
            fire.State = new FireState.Ended(run);
            context.Slots.Taken--;
            if (ran < Short)
            {
                _short.Add(run.Name);
            }
            else
            {
                _short.Remove(run.Name);
            }
        }
    }

    public void Completed(Run run)
    {
        if (_runs.Remove((run.Name, run.Id), out var fire))
        {
            fire.State = new FireState.Over();
        }
    }

    /// <summary>Cancels runs that were claimed before a revision and have not started.</summary>
    /// <param name="runId">Empty = all runs of the job.</param>
    public void Cancel(JobName name, string runId, long revision, string why)
    {
        _cancellations.Add(name, runId, revision, why, context.Now);
        foreach (var fire in OfJob(name).ToList())
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
        foreach (var fire in OfJob(name))
        {
            if (fire.State is FireState.OfRun { Run: var run } && run.FencingToken < revision && request.Covers(run.Id))
            {
                Kill(fire, new FireAction.Kill(run, request.Reason, revision));
            }
        }
    }

    /// <summary>Ends the runs of a job that another fire of it replaces.</summary>
    public void Replace(JobName name, string reason)
    {
        foreach (var fire in OfJob(name))
        {
            if (fire.State is FireState.OfRun { Run: var run })
            {
                Kill(fire, new FireAction.Kill(run, reason, Revision: 0));
            }
        }
    }

    /// <summary>etcd has other data. Revisions of its former data cannot be compared with those of claims to come.</summary>
    public void ForgetCancellations() => _cancellations.Clear();

    /// <summary>Cancels all claimed runs that have not started.</summary>
    public void GiveUpAll(string why)
    {
        foreach (var fire in _runs.Values.Where(fire => fire.State is FireState.Claimed or FireState.Ready).ToList())
        {
            GiveUp(fire, RunStatus.Cancelled, why);
        }
    }

    private void Kill(Fire fire, FireAction.Kill kill)
    {
        if (fire.State is FireState.Starting starting)
        {
            fire.State = starting with { Kill = kill };
        }

        context.Do(kill);
    }

    private void Add(Fire fire)
    {
        if (!_runs.TryAdd((fire.Name, fire.RunId), fire))
        {
            throw new InvalidOperationException($"{fire.Name}/{fire.RunId} was claimed twice");
        }
    }

    private Fire? Find(Run run) => _runs.GetValueOrDefault((run.Name, run.Id));

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
            // Others may have declared it lost by now. It starts when etcd says that they have not.
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

    /// <summary>
    /// How long starts may take: while the session holds, and while a run that misses its start would not be in the way of the job's next
    /// fire.
    /// </summary>
    private TimeSpan FindPatience(IEnumerable<Fire> starting)
    {
        var holdsFor = context.Moment.HoldsFor;
#if SABOTAGE
        holdsFor = Sabotage.OfSession ? HeldCommands.StartsWithin : holdsFor;
#endif
        var untilNext = (starting.Min(FindNext) ?? DateTimeOffset.MaxValue) - context.Now - EndsBeforeNext;
        untilNext = untilNext > LeastPatience ? untilNext : LeastPatience;
        return untilNext < holdsFor ? untilNext : holdsFor;
    }

    /// <summary>The job's next plan time, if this run would be in its way; null = runs of the job may overlap.</summary>
    private static DateTimeOffset? FindNext(Fire fire) =>
        fire.Plan.Overlap == Overlap.Allow ? null : fire.Plan.Schedule.Next(fire.Run.NotBefore);

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
