using System.Threading.Channels;
using Dts.Common;
using Dts.Common.Jobs;
using Dts.Common.Time;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>Knows when each job is next planned, and hands each fire to the claimer a little ahead of its time.</summary>
/// <remarks>
/// Not thread-safe: one loop, one inbox. A plan only moves forward: a fire that was handed on is never planned again by this worker, and
/// that others deal with it is the cursor's business. After a stall, an outage or a step of the clock only the latest of the plan times that passed is
/// handed on; whoever claims it accounts for the others.
/// </remarks>
internal sealed class Scheduler(
    string workerId, TimeSpan claimAhead, ChannelReader<ScheduleMessage> inbox, ChannelWriter<FireOrder> orders, Alarm alarm, Action<int> ready, TimeProvider time, ILogger log)
{
    private readonly Dictionary<JobName, Planned> _planned = [];
    private readonly HashSet<string> _workers = [workerId];
    private readonly TimerWheel<Planned> _wheel = new(time.GetUtcNow().ToUnixTimeMilliseconds());
    private readonly List<Planned> _due = [];

    public async Task RunAsync()
    {
        await foreach (var message in inbox.ReadAllAsync())
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
                    ready(_planned.Count);
                    break;
                case ScheduleMessage.KillAsked(var name, var runId, var revision):
                    await orders.WriteAsync(new FireOrder.Kill(name, runId, revision));
                    break;
                case ScheduleMessage.WorkerCame(var id):
                    _workers.Add(id);
                    break;
                case ScheduleMessage.WorkerLeft(var id) when id != workerId:
                    _workers.Remove(id);
                    break;
                default:
                    break; // A tick, or word of ourselves: look at the time.
            }

            await HandOnDueAsync();
            alarm.Set(_wheel.NextDue);
        }

        orders.Complete();
    }

    private async Task PutAsync(JobName name, JobPlan plan, DateTimeOffset? dealtWithUntil)
    {
        var now = time.GetUtcNow();
        var handedOn = Remove(name)?.HandedOn ?? DateTimeOffset.MinValue;
        if (dealtWithUntil is { } until && plan.Schedule.Latest(now) is { } latest && latest > until)
        {
            await HandOnAsync(name, plan, latest);
        }

        Plan(new Planned(name, plan) { HandedOn = handedOn }, handedOn > now ? handedOn : now);
    }

    private Planned? Remove(JobName name)
    {
        if (_planned.Remove(name, out var planned) && planned.Timer is { } timer)
        {
            _wheel.Cancel(timer);
        }

        return planned;
    }

    private void Plan(Planned planned, DateTimeOffset after)
    {
        _planned[planned.Name] = planned;
        planned.Next = planned.Plan.Schedule.Next(after);
        planned.Timer = planned.Next is { } next ? _wheel.Add((next - claimAhead).ToUnixTimeMilliseconds(), planned) : null;
        if (planned.Next is null)
        {
            log.ScheduleEnded(planned.Name);
        }
    }

    private async Task HandOnDueAsync()
    {
        var now = time.GetUtcNow();
        _due.Clear();
        _wheel.Advance(now.ToUnixTimeMilliseconds(), _due);
        foreach (var planned in _due)
        {
            var planTime = planned.Next!.Value;
            if (planTime < now && planned.Plan.Schedule.Latest(now) is { } latest && latest > planTime)
            {
                planTime = latest;
            }

            planned.HandedOn = planTime;
            await HandOnAsync(planned.Name, planned.Plan, planTime);
            Plan(planned, planTime);
        }
    }

    private async Task HandOnAsync(JobName name, JobPlan plan, DateTimeOffset planTime)
    {
        var rank = Ranking.RankOf(workerId, _workers, name, planTime);
        await orders.WriteAsync(new FireOrder.Claim(new Fire(name, planTime, plan, rank)));
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
