using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>
/// Knows when each job is planned next and what is in the queue. Turns each plan time and
/// queued run into a fire <c>claimAhead</c> before it is due.
/// </summary>
/// <remarks>
/// A plan only moves forward: this worker plans a fire once, and again only if its job has moved to other workers. The cursor tells
/// whether another worker has decided it. After a stall, an outage or a step of the clock only the latest of the plan times that passed
/// becomes a fire. Its claim accounts for the others.
/// </remarks>
/// <param name="due">Takes each fire.</param>
/// <param name="drop">Forgets the fire of a run id, empty for the schedule's. False = etcd is asked about it, or must be.</param>
internal sealed class FirePlans(FireContext context, Roster roster, Action<Fire> due, Func<JobName, string, bool> drop)
{
    // A fire found later than this was due while no worker could start it, so the misfire policy decides. A fire found sooner is only late.
    public static readonly TimeSpan LateAtMost = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

    private readonly PlannedJobs _jobs = new();
    private readonly Dictionary<(JobName Name, string RunId), RequestedRun> _requested = [];
    private bool _isListed;

    public int Count => _jobs.Count;

    public void Listed()
    {
        _isListed = true;
        context.Do(new FireAction.AnnounceReady(_jobs.Count));
    }

    /// <returns>False = the job is paused, and its pending fire is to be cancelled.</returns>
    public bool Put(JobName name, JobPlan plan, DateTimeOffset? cursor)
    {
        var before = _jobs.Find(name);
        var (hasMoved, keepsTimes) = (before?.HasMovedTo(plan) == true, before?.KeepsTimesIn(plan) == true);
        var beginsAgain = hasMoved || (!keepsTimes && before?.IsPlannedLike(plan) == true);
        var former = Remove(name);
        var group = _jobs.Add(name, plan, out var job);
        if (plan.IsPaused)
        {
            return false; // It stays decided until never, so that a job that is resumed is planned from now.
        }

        var candidates = roster.Matching(plan.Target);
        _ = hasMoved && drop(name, ""); // A fire that stays gives way to the new one afterwards.
        ref var decidedUntil = ref _jobs.DecidedUntil(job);
        decidedUntil = beginsAgain ? Seconds(context.Now) : Math.Max(former, Seconds(context.Now));
        if (plan.Schedule.Latest(context.Now) is { } latest)
        {
            var isOpen = keepsTimes ? Seconds(latest) >= former + (hasMoved ? 0 : 1) : latest > cursor;
            if (isOpen)
            {
                AddFire(name, plan, candidates, latest, since: latest, hasMoved ? plan.StartDeadline : LateAtMost);
            }

            decidedUntil = isOpen ? Seconds(latest) : keepsTimes && !hasMoved ? former : decidedUntil;
        }

        if (group.Jobs.Count == 1)
        {
            Plan(group, context.Now);
        }

        // The group's timer may have passed these plan times, because fires are made ahead.
        while (plan.Schedule.Next(Time(decidedUntil)) is { } next && !(next >= group.Next))
        {
            decidedUntil = Seconds(next);
            AddFire(name, plan, candidates, next, since: next, LateAtMost);
        }

        if (group is { Next: null, Jobs.Count: > 1 })
        {
            context.Do(new FireAction.LogScheduleEnded(name));
        }

        return true;
    }

    /// <summary>The revision of the job's plan; 0 = it is not known.</summary>
    public long RevisionOf(JobName name) => _jobs.Find(name)?.Revision ?? 0;

    /// <returns>The plan times up to this one are settled; 0 = the job was not there.</returns>
    public uint Remove(JobName name)
    {
        if (_jobs.Remove(name, out var decidedUntil) is { Jobs.Count: 0, Timer: { } timer })
        {
            context.Wheel.Cancel(timer);
        }

        return decidedUntil;
    }

    public void Request(JobName name, RunSpec run, long revision)
    {
        if (_requested.Remove((name, run.Id), out var former) && former.Timer is { } timer)
        {
            context.Wheel.Cancel(timer);
        }

        var requested = new RequestedRun(name, run, revision);
        _requested[(name, run.Id)] = requested;
        requested.Timer = context.RingAt(run.IsForLater ? run.NotBefore - context.ClaimAhead : context.Now, requested);
    }

    public void Taken(JobName name, string runId)
    {
        if (_requested.Remove((name, runId), out var taken) && taken.Timer is { } timer)
        {
            context.Wheel.Cancel(timer);
        }

        _ = drop(name, runId);
    }

    /// <summary>
    /// The clock was stepped back: plans again the times that will come again. The cursors in etcd tell which of them are new.
    /// </summary>
    public void PlanAgain()
    {
        foreach (var group in _jobs.Groups.Where(group => !group.Terms.IsPaused))
        {
            if (group.Timer is { } timer)
            {
                context.Wheel.Cancel(timer);
            }

            group.Jobs.ForEach(job => _jobs.DecidedUntil(job) = Math.Min(_jobs.DecidedUntil(job), Seconds(context.Now)));
            Plan(group, context.Now);
        }

        foreach (var requested in _requested.Values)
        {
            if (requested.Timer is { } timer)
            {
                context.Wheel.Cancel(timer);
            }

            requested.Timer = context.RingAt(context.Now, requested);
        }
    }

    /// <summary>Makes fires again that no worker matched: this worker does now.</summary>
    public void PlanAgain(List<Fire> fires) =>
        fires.ForEach(fire => AddFire(fire.Name, fire.Plan, roster.Matching(fire.Plan.Target), fire.PlanTime, fire.OwedSince, LateAtMost));

    /// <summary>The next time of some jobs has almost come.</summary>
    public void Ring(PlanGroup group)
    {
        var (schedule, first) = (group.Terms.Schedule, group.Next!.Value);
        var planTime = first < context.Now && schedule.Latest(context.Now) is { } latest && latest > first ? latest : first;
        var candidates = roster.Matching(group.Terms.Target);
        foreach (var job in group.Jobs)
        {
            ref var decidedUntil = ref _jobs.DecidedUntil(job);
            if (decidedUntil < Seconds(planTime))
            {
                var since = decidedUntil < Seconds(first) ? first : schedule.Next(Time(decidedUntil))!.Value;
                decidedUntil = Seconds(planTime);
                AddFire(_jobs.NameOf(job), _jobs.PlanOf(job), candidates, planTime, since, LateAtMost);
            }
        }

        Plan(group, planTime);
    }

    /// <summary>A queued run is due. It stays until it has left the queue, because who may claim it changes with the workers.</summary>
    public void Ring(RequestedRun requested)
    {
        var (name, run, now) = (requested.Name, requested.Run, context.Now);
        requested.Timer = context.RingAt(now + LookAgain, requested);
        var plan = _jobs.Find(name);
        if (!_isListed || (plan is null && now < run.NotBefore + LateAtMost))
        {
            return; // Its job may not have arrived yet.
        }

        var candidates = plan is null ? [] : roster.Candidates(run, plan.Target);
        var isOurs = candidates.Count == 0 || candidates.Contains(context.WorkerId);
        var fire = MakeFire(requested, plan, candidates);
        var situation = Situation.Of(fire, isOurs);
        if (situation != requested.Situation && drop(name, run.Id)) // The fire made before is out of date.
        {
            requested.Situation = situation;
            if (isOurs)
            {
                due(fire);
            }
        }
    }

    private Fire MakeFire(RequestedRun requested, JobPlan? plan, IReadOnlyCollection<string> candidates)
    {
        var (name, run) = (requested.Name, requested.Run);
        var rank = Ranking.RankOf(context.WorkerId, candidates.Count > 0 ? candidates : roster.All, name, run.PlanTime);
        return new Fire(name, run, plan ?? JobPlan.Unknown, rank)
        {
            QueueRevision = requested.Revision,
            NobodyMatches = candidates.Count == 0 && plan is not null,
            HandTo = plan?.Mode == JobMode.All && run.Worker.Length == 0 ? [.. candidates.Order(StringComparer.Ordinal)] : [],
            Unplanned = plan switch
            {
                null => "it has no job that can run",
                { IsPaused: true } when run.Trigger != RunSpec.Manual => "its job is paused",
                _ => null,
            },
        };
    }

    private void Plan(PlanGroup group, DateTimeOffset after)
    {
        group.Next = group.Terms.Schedule.Next(after);
        group.Timer = group.Next is { } next ? context.RingAt(next - context.ClaimAhead, group) : null;
        if (group.Next is null)
        {
            group.Jobs.ForEach(job => context.Do(new FireAction.LogScheduleEnded(_jobs.NameOf(job))));
        }
    }

    /// <summary>
    /// Makes a fire of a plan time. A worker that may not run it leaves it to those that may. If there are none, all workers try to close
    /// it as missed.
    /// </summary>
    /// <param name="candidates">The workers that may run the job.</param>
    /// <param name="since">The first plan time that this fire stands for: earlier ones that passed meanwhile make no fire.</param>
    /// <param name="late">After this time the misfire policy decides.</param>
    private void AddFire(
        JobName name, JobPlan plan, IReadOnlyCollection<string> candidates, DateTimeOffset planTime, DateTimeOffset since, TimeSpan late)
    {
        if (candidates.Contains(context.WorkerId))
        {
            var (run, rank) = plan.Mode == JobMode.All
                ? (roster.ShardOf(planTime, candidates), 0)
                : (RunSpec.Scheduled(planTime), Ranking.RankOf(context.WorkerId, candidates, name, planTime));
            due(new Fire(name, run, plan, rank) { IsMisfire = context.Now - planTime > late, OwedSince = since });
        }
        else if (candidates.Count == 0)
        {
            var rank = Ranking.RankOf(context.WorkerId, roster.All, name, planTime);
            due(new Fire(name, planTime, plan, rank) { NobodyMatches = true, OwedSince = since });
        }
    }

    private static uint Seconds(DateTimeOffset time) => (uint)Math.Clamp(time.ToUnixTimeSeconds(), 0, uint.MaxValue);

    private static DateTimeOffset Time(uint seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds);
}
