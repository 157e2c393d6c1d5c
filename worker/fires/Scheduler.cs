using System.Threading.Channels;
using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Watches;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Fires;

/// <summary>
/// Knows when each job is next planned and what is in the queue, and hands each fire to the claimer a little ahead of its time.
/// </summary>
/// <remarks>
/// Not thread-safe: one loop, one inbox. A plan only moves forward: a fire that was handed on is never planned again by this worker, and
/// that others deal with it is the cursor's business. After a stall, an outage or a step of the clock only the latest of the plan times
/// that passed is handed on; whoever claims it accounts for the others.
/// </remarks>
internal sealed class Scheduler(
    string workerId,
    Roster roster,
    TimeSpan claimAhead,
    ChannelReader<ScheduleMessage> inbox,
    ChannelWriter<FireOrder> orders,
    Alarm alarm,
    Action<int> ready,
    TimeProvider time,
    ILogger log)
{
    // A fire found later than this was due while nobody was there to start it: the misfire policy's business. Below it, it is only late.
    private static readonly TimeSpan LateAtMost = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan StepBack = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

    private static readonly JobPlan Unknown = JobPlan.Of(
        new Job("-", "-", "@yearly"), new JobSchedule(CronExpression.Parse("@yearly"), CronZone.Utc), revision: 0);

    private readonly Dictionary<JobName, Planned> _planned = [];
    private readonly Dictionary<(JobName Name, string RunId), Asked> _asked = [];
    private readonly TimerWheel<Planned> _plans = new(time.GetUtcNow().ToUnixTimeMilliseconds());
    private readonly TimerWheel<Asked> _queue = new(time.GetUtcNow().ToUnixTimeMilliseconds());
    private readonly List<Planned> _duePlans = [];
    private readonly List<Asked> _dueAsked = [];
    private DateTimeOffset _lookedAt;
    private bool _isListed;

    public async Task RunAsync()
    {
        await foreach (var message in inbox.ReadAllAsync())
        {
            await TakeAsync(message);
            await HandOnDueAsync();
            alarm.Set((_plans.NextDue, _queue.NextDue) is ({ } plan, { } asked) ? Math.Min(plan, asked) : _plans.NextDue ?? _queue.NextDue);
        }

        orders.Complete();
    }

    private async Task TakeAsync(ScheduleMessage message)
    {
        switch (message)
        {
            case ScheduleMessage.JobPut(var name, var plan, var dealtWithUntil):
                await PutAsync(name, plan, dealtWithUntil);
                break;
            case ScheduleMessage.JobGone(var name, var revision, var why):
                Remove(name);
                await orders.WriteAsync(new FireOrder.Withdraw(name, revision, why));
                break;
            case ScheduleMessage.JobsListed:
                _isListed = true;
                ready(_planned.Count);
                break;
            case ScheduleMessage.RunAsked(var name, var run, var revision):
                Ask(new Asked(name, run, revision));
                break;
            case ScheduleMessage.RunTaken(var name, var runId):
                if (_asked.Remove((name, runId), out var taken) && taken.Timer is { } timer)
                {
                    _queue.Cancel(timer);
                }

                await orders.WriteAsync(new FireOrder.Taken(name, runId));
                break;
            case ScheduleMessage.KillAsked(var name, var request, var revision):
                await orders.WriteAsync(new FireOrder.Kill(name, request, revision));
                break;
            case ScheduleMessage.OtherData:
                await orders.WriteAsync(new FireOrder.OtherData());
                break;
            case ScheduleMessage.WorkerCame(var id, var labels):
                if (roster.Add(id, labels))
                {
                    await TellMatchedAsync(id);
                }

                break;
            case ScheduleMessage.Drained(var id, var isOn):
                if (roster.Drain(id, isOn))
                {
                    await TellMatchedAsync(id);
                }

                break;
            case ScheduleMessage.WorkerLeft(var id):
                roster.Remove(id);
                break;
            case ScheduleMessage.Relabelled(var labels):
                roster.Relabel(labels);
                await TellMatchedAsync(workerId);
                break;
            case ScheduleMessage.Beat(var pulse):
                pulse.Jobs = _planned.Count;
                await orders.WriteAsync(new FireOrder.Beat(pulse));
                break;
            default:
                break; // A tick: look at the time.
        }
    }

    /// <summary>A worker may have become one that can run what nobody could.</summary>
    private async Task TellMatchedAsync(string id)
    {
        if (roster.LabelsOf(id) is { } labels)
        {
            await orders.WriteAsync(new FireOrder.Matched(id, labels));
        }
    }

    private async Task PutAsync(JobName name, JobPlan plan, DateTimeOffset? dealtWithUntil)
    {
        var now = time.GetUtcNow();
        var handedOn = Remove(name)?.HandedOn ?? DateTimeOffset.MinValue;
        if (plan.IsPaused)
        {
            _planned[name] = new Planned(name, plan); // Resumed within a moment, it is planned anew.
            await orders.WriteAsync(new FireOrder.Withdraw(name, plan.Revision, "paused"));
            return;
        }

        if (dealtWithUntil is { } until && plan.Schedule.Latest(now) is { } latest && latest > until)
        {
            await HandOnAsync(name, plan, latest, since: latest);
        }

        Plan(new Planned(name, plan) { HandedOn = handedOn }, handedOn > now ? handedOn : now);
    }

    private Planned? Remove(JobName name)
    {
        if (_planned.Remove(name, out var planned) && planned.Timer is { } timer)
        {
            _plans.Cancel(timer);
        }

        return planned;
    }

    private void Plan(Planned planned, DateTimeOffset after)
    {
        _planned[planned.Name] = planned;
        planned.Next = planned.Plan.Schedule.Next(after);
        planned.Timer = planned.Next is { } next ? _plans.Add((next - claimAhead).ToUnixTimeMilliseconds(), planned) : null;
        if (planned.Next is null)
        {
            log.ScheduleEnded(planned.Name);
        }
    }

    /// <summary>
    /// The clock was stepped back: what was handed on for a time that is to come again is planned again, and it is for etcd to say what is
    /// new.
    /// </summary>
    private void PlanAnew(DateTimeOffset now)
    {
        foreach (var planned in _planned.Values.Where(planned => !planned.Plan.IsPaused).ToList())
        {
            if (planned.Timer is { } timer)
            {
                _plans.Cancel(timer);
            }

            planned.HandedOn = DateTimeOffset.MinValue;
            Plan(planned, now);
        }

        foreach (var asked in _asked.Values)
        {
            if (asked.Timer is { } timer)
            {
                _queue.Cancel(timer);
            }

            asked.Timer = _queue.Add(now.ToUnixTimeMilliseconds(), asked);
        }
    }

    private void Ask(Asked asked)
    {
        _asked[(asked.Name, asked.Run.Id)] = asked;
        asked.Timer = _queue.Add((asked.Run.NotBefore - claimAhead).ToUnixTimeMilliseconds(), asked);
    }

    private async Task HandOnDueAsync()
    {
        var now = time.GetUtcNow();
        if (now + StepBack < _lookedAt)
        {
            PlanAnew(now);
        }

        _lookedAt = now;
        _duePlans.Clear();
        _plans.Advance(now.ToUnixTimeMilliseconds(), _duePlans);
        foreach (var planned in _duePlans)
        {
            var planTime = planned.Next!.Value;
            if (planTime < now && planned.Plan.Schedule.Latest(now) is { } latest && latest > planTime)
            {
                planTime = latest;
            }

            planned.HandedOn = planTime;
            await HandOnAsync(planned.Name, planned.Plan, planTime, since: planned.Next.Value);
            Plan(planned, planTime);
        }

        _dueAsked.Clear();
        _queue.Advance(now.ToUnixTimeMilliseconds(), _dueAsked);
        foreach (var asked in _dueAsked)
        {
            asked.Timer = null;
            await HandOnAsync(asked, now);
        }
    }

    /// <summary>
    /// A plan time of the schedule. Who may not run it leaves it to those who may; when there are none, all see to it that it is recorded.
    /// </summary>
    /// <param name="since">The first of the plan times that passed unseen, when there are several: the latest stands for all.</param>
    private async Task HandOnAsync(JobName name, JobPlan plan, DateTimeOffset planTime, DateTimeOffset since)
    {
        var candidates = roster.Matching(plan.Target);
        var isMisfire = time.GetUtcNow() - planTime > LateAtMost;
        if (candidates.Contains(workerId))
        {
            var (run, rank) = plan.Mode == JobMode.All
                ? (OfShard(planTime, candidates), 0)
                : (RunSpec.Scheduled(planTime), Ranking.RankOf(workerId, candidates, name, planTime));
            await orders.WriteAsync(new FireOrder.Claim(new Fire(name, run, plan, rank) { IsMisfire = isMisfire, OwedSince = since }));
        }
        else if (candidates.Count == 0)
        {
            var rank = Ranking.RankOf(workerId, roster.All, name, planTime);
            await orders.WriteAsync(new FireOrder.Claim(new Fire(name, planTime, plan, rank) { NobodyMatches = true, OwedSince = since }));
        }
    }

    private RunSpec OfShard(DateTimeOffset planTime, IEnumerable<string> candidates)
    {
        var sorted = candidates.Order(StringComparer.Ordinal).ToList();
        return RunSpec.Scheduled(planTime) with { Worker = workerId, ShardIndex = sorted.IndexOf(workerId), ShardTotal = sorted.Count };
    }

    /// <summary>
    /// A run out of the queue. It stays here until it has left the queue, because who may claim it changes with the workers.
    /// </summary>
    private async Task HandOnAsync(Asked asked, DateTimeOffset now)
    {
        var (name, run) = (asked.Name, asked.Run);
        var plan = _planned.GetValueOrDefault(name)?.Plan;
        if (!_isListed || (plan is null && now < run.NotBefore + LateAtMost))
        {
            asked.Timer = _queue.Add((now + LookAgain).ToUnixTimeMilliseconds(), asked); // Its job may be on its way.
            return;
        }

        var candidates = plan is null ? [] : roster.Candidates(run, plan.Target);
        var isOurs = candidates.Count == 0 || candidates.Contains(workerId);
        var rank = Ranking.RankOf(workerId, candidates.Count > 0 ? candidates : roster.All, name, run.PlanTime);
        var fire = new Fire(name, run, plan ?? Unknown, rank)
        {
            QueueRevision = asked.Revision,
            NobodyMatches = candidates.Count == 0 && plan is not null,
            HandTo = plan?.Mode == JobMode.All && run.Worker.Length == 0 ? [.. candidates.Order(StringComparer.Ordinal)] : [],
            Unplanned = plan switch
            {
                null => "it has no job that can run",
                { IsPaused: true } when run.Trigger != RunSpec.Manual => "its job is paused",
                _ => null,
            },
        };
        var situation = (isOurs, fire.Rank, fire.NobodyMatches, string.Join(' ', fire.HandTo), fire.Unplanned);
        if (situation != asked.Situation)
        {
            asked.Situation = situation;
            await orders.WriteAsync(new FireOrder.Taken(name, run.Id)); // What was handed on before is out of date.
            if (isOurs)
            {
                await orders.WriteAsync(new FireOrder.Claim(fire));
            }
        }

        asked.Timer = _queue.Add((now + LookAgain).ToUnixTimeMilliseconds(), asked);
    }

    private sealed class Asked(JobName name, RunSpec run, long revision)
    {
        public JobName Name { get; } = name;

        public RunSpec Run { get; } = run;

        public long Revision { get; } = revision;

        /// <summary>What it was handed on with: whether it is ours to claim, in which rank, for whom.</summary>
        public (bool IsOurs, int Rank, bool NobodyMatches, string HandTo, string? Unplanned)? Situation { get; set; }

        public TimerWheel<Asked>.Entry? Timer { get; set; }
    }

    private sealed class Planned(JobName name, JobPlan plan)
    {
        public JobName Name { get; } = name;

        public JobPlan Plan { get; } = plan;

        public DateTimeOffset? Next { get; set; }

        /// <summary>The latest plan time that went to the claimer.</summary>
        public DateTimeOffset HandedOn { get; set; }

        public TimerWheel<Planned>.Entry? Timer { get; set; }
    }
}
