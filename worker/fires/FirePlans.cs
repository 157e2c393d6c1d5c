using Dts.Common.Jobs;
using Dts.Worker.Commands;

namespace Dts.Worker.Fires;

/// <summary>Knows when each job is planned next and what is in the queue. Makes a fire of each a little ahead of its time.</summary>
/// <remarks>
/// A plan only moves forward: this worker never plans a fire twice, and the cursor tells whether another worker has dealt with it. After a
/// stall, an outage or a step of the clock only the latest of the plan times that passed becomes a fire. Its claim accounts for the others.
/// </remarks>
/// <param name="due">Takes each fire.</param>
/// <param name="drop">Forgets the fire of a queued run: it has left the queue, or who may claim it has changed.</param>
internal sealed class FirePlans(FireContext context, Roster roster, Action<Fire> due, Action<JobName, string> drop)
{
    // A fire found later than this was due while no worker could start it, so the misfire policy decides. A fire found sooner is only late.
    private static readonly TimeSpan LateAtMost = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

    private readonly Dictionary<JobName, Planned> _planned = [];
    private readonly Dictionary<(JobName Name, string RunId), Requested> _requested = [];
    private bool _isListed;

    public int Count => _planned.Count;

    public void Listed()
    {
        _isListed = true;
        context.Do(new FireAction.AnnounceReady(_planned.Count));
    }

    /// <returns>False = the job is paused, and its pending fire is to be cancelled.</returns>
    public bool Put(JobName name, JobPlan plan, DateTimeOffset? dealtWithUntil)
    {
        var handedOn = Remove(name)?.HandedOn ?? DateTimeOffset.MinValue;
        if (plan.IsPaused)
        {
            _planned[name] = new Planned(name, plan); // Without HandedOn: a job that is resumed soon is planned from the present.
            return false;
        }

        if (dealtWithUntil is { } until && plan.Schedule.Latest(context.Now) is { } latest && latest > until)
        {
            HandOn(name, plan, latest, since: latest);
        }

        Plan(new Planned(name, plan) { HandedOn = handedOn }, handedOn > context.Now ? handedOn : context.Now);
        return true;
    }

    public Planned? Remove(JobName name)
    {
        if (_planned.Remove(name, out var planned) && planned.Timer is { } timer)
        {
            context.Wheel.Cancel(timer);
        }

        return planned;
    }

    public void Request(JobName name, RunSpec run, long revision)
    {
        if (_requested.Remove((name, run.Id), out var former) && former.Timer is { } timer)
        {
            context.Wheel.Cancel(timer);
        }

        var requested = new Requested(name, run, revision);
        _requested[(name, run.Id)] = requested;
        requested.Timer = context.RingAt(run.NotBefore - context.ClaimAhead, requested);
    }

    public void Taken(JobName name, string runId)
    {
        if (_requested.Remove((name, runId), out var taken) && taken.Timer is { } timer)
        {
            context.Wheel.Cancel(timer);
        }

        drop(name, runId);
    }

    /// <summary>
    /// The clock was stepped back: plans again the times that will come again. The cursors in etcd tell which of them are new.
    /// </summary>
    public void PlanAgain()
    {
        foreach (var planned in _planned.Values.Where(planned => !planned.Plan.IsPaused).ToList())
        {
            if (planned.Timer is { } timer)
            {
                context.Wheel.Cancel(timer);
            }

            planned.HandedOn = DateTimeOffset.MinValue;
            Plan(planned, context.Now);
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

    /// <summary>The next time of a job has almost come.</summary>
    public void Ring(Planned planned)
    {
        var planTime = planned.Next!.Value;
        if (planTime < context.Now && planned.Plan.Schedule.Latest(context.Now) is { } latest && latest > planTime)
        {
            planTime = latest;
        }

        planned.HandedOn = planTime;
        HandOn(planned.Name, planned.Plan, planTime, since: planned.Next.Value);
        Plan(planned, planTime);
    }

    /// <summary>A queued run is due. It stays until it has left the queue, because who may claim it changes with the workers.</summary>
    public void Ring(Requested requested)
    {
        var (name, run, now) = (requested.Name, requested.Run, context.Now);
        requested.Timer = context.RingAt(now + LookAgain, requested);
        var plan = _planned.GetValueOrDefault(name)?.Plan;
        if (!_isListed || (plan is null && now < run.NotBefore + LateAtMost))
        {
            return; // Its job may not have arrived yet.
        }

        var candidates = plan is null ? [] : roster.Candidates(run, plan.Target);
        var isOurs = candidates.Count == 0 || candidates.Contains(context.WorkerId);
        var fire = MakeFire(requested, plan, candidates);
        var situation = new Situation(isOurs, fire.Rank, fire.NobodyMatches, string.Join(' ', fire.HandTo), fire.Unplanned);
        if (situation != requested.Situation)
        {
            requested.Situation = situation;
            drop(name, run.Id); // The fire made before is out of date.
            if (isOurs)
            {
                due(fire);
            }
        }
    }

    private Fire MakeFire(Requested requested, JobPlan? plan, IReadOnlyCollection<string> candidates)
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

    private void Plan(Planned planned, DateTimeOffset after)
    {
        _planned[planned.Name] = planned;
        planned.Next = planned.Plan.Schedule.Next(after);
        planned.Timer = planned.Next is { } next ? context.RingAt(next - context.ClaimAhead, planned) : null;
        if (planned.Next is null)
        {
            context.Do(new FireAction.LogScheduleEnded(planned.Name));
        }
    }

    /// <summary>
    /// Makes a fire of a plan time. A worker that may not run it leaves it to those that may. If there are none, all workers try to close
    /// it as missed.
    /// </summary>
    /// <param name="since">The first plan time that this fire stands for: earlier ones that passed meanwhile make no fire.</param>
    private void HandOn(JobName name, JobPlan plan, DateTimeOffset planTime, DateTimeOffset since)
    {
        var candidates = roster.Matching(plan.Target);
        if (candidates.Contains(context.WorkerId))
        {
            var (run, rank) = plan.Mode == JobMode.All
                ? (OfShard(planTime, candidates), 0)
                : (RunSpec.Scheduled(planTime), Ranking.RankOf(context.WorkerId, candidates, name, planTime));
            due(new Fire(name, run, plan, rank) { IsMisfire = context.Now - planTime > LateAtMost, OwedSince = since });
        }
        else if (candidates.Count == 0)
        {
            var rank = Ranking.RankOf(context.WorkerId, roster.All, name, planTime);
            due(new Fire(name, planTime, plan, rank) { NobodyMatches = true, OwedSince = since });
        }
    }

    private RunSpec OfShard(DateTimeOffset planTime, IEnumerable<string> candidates)
    {
        var sorted = candidates.Order(StringComparer.Ordinal).ToList();
        return RunSpec.Scheduled(planTime) with
        {
            Worker = context.WorkerId, ShardIndex = sorted.IndexOf(context.WorkerId), ShardTotal = sorted.Count,
        };
    }

    /// <summary>A job's schedule.</summary>
    internal sealed class Planned(JobName name, JobPlan plan) : ITimed
    {
        public JobName Name { get; } = name;

        public JobPlan Plan { get; } = plan;

        /// <summary>The plan time that <see cref="Timer"/> rings for; null = the schedule has no more.</summary>
        public DateTimeOffset? Next { get; set; }

        /// <summary>The latest plan time that became a fire.</summary>
        public DateTimeOffset HandedOn { get; set; }

        public TimerWheel<ITimed>.Entry? Timer { get; set; }
    }

    internal sealed class Requested(JobName name, RunSpec run, long revision) : ITimed
    {
        public JobName Name { get; } = name;

        public RunSpec Run { get; } = run;

        public long Revision { get; } = revision;

        /// <summary>The inputs its fire was made from; null = no fire was made.</summary>
        public Situation? Situation { get; set; }

        public TimerWheel<ITimed>.Entry? Timer { get; set; }
    }

    internal sealed record Situation(bool IsOurs, int Rank, bool NobodyMatches, string HandTo, string? Unplanned);
}
