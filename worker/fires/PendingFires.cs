using Dts.Common.Jobs;
using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>The fires that are not decided yet, and when each is tried next.</summary>
/// <remarks>
/// Each schedule has one pending fire; later fires queue behind it. It keeps its place until it is decided or the time of the next one has
/// come; then the claim of the next one accounts for both. A fire whose claim may have been granted stays until that is known. A run out of
/// the queue has a place of its own until it is decided.
/// </remarks>
internal sealed class PendingFires(FireContext context)
{
    private const int LastRank = 7; // Later ranks keep its time.

    private static readonly TimeSpan RankStep = TimeSpan.FromMilliseconds(250);

    private readonly Dictionary<(JobName, string), Fire> _pending = [];
    private readonly LinkedList<Fire> _abstained = new(); // They wait for a slot, the oldest first.
    private readonly List<Fire> _due = [];

    /// <summary>The pending fire of a run out of the queue; without a run id that of the job's schedule.</summary>
    public Fire? Find(JobName name, string runId = "") => _pending.GetValueOrDefault((name, runId));

    /// <summary>The fires that hold a place; others wait behind them.</summary>
    public IReadOnlyCollection<Fire> All => _pending.Values;

    public bool Has(Fire fire) => _pending.GetValueOrDefault(fire.Place) == fire;

    public void Add(Fire fire)
    {
        if (_pending.TryAdd(fire.Place, fire))
        {
            var first = FirstTryOf(fire);
            TryAt(fire, (first > context.Now ? first : context.Now) + (RankStep * Math.Min(fire.Rank, LastRank)));
        }
        else if (!fire.IsQueued
            && _pending[fire.Place] is { IsAsked: false, Doubt: Doubt.None } pending
            && pending.PlanTime > fire.PlanTime)
        {
            pending.Next = null; // Of a time that will come again: the clock was stepped back.
            Forget(pending);
            Add(fire);
        }
        else if (!fire.IsQueued)
        {
            Queue(fire, behind: _pending[fire.Place]);
        }
    }

    /// <summary>When a fire is tried for the first time.</summary>
    public DateTimeOffset FirstTryOf(Fire fire) => fire.NobodyMatches ? fire.Deadline
        : fire.Run.IsForLater ? fire.Run.NotBefore - context.ClaimAhead
        : context.Now;

    public void TryAt(Fire fire, DateTimeOffset moment)
    {
        StopWaiting(fire);
        TryAt(fire, moment, abstention: null);
    }

    public void TryIn(Fire fire, TimeSpan pause) => TryAt(fire, context.Now + pause);

    /// <summary>
    /// Leaves a fire to others because no slot is free. It is tried again when one is free, and after a pause, because others may have
    /// taken it.
    /// </summary>
    public void Abstain(Fire fire, TimeSpan pause)
    {
        fire.Met |= Hindrances.NoSlot;
        TryAt(fire, context.Now + pause, _abstained.AddLast(fire));
    }

    /// <summary>The fire has become a run. It leaves its place to the next one.</summary>
    public void Leave(Fire fire)
    {
        StopWaiting(fire);
        _pending.Remove(fire.Place);
        if (fire.Next is { } next)
        {
            fire.Next = null;
            Add(next);
        }
    }

    /// <summary>The fire is decided, or left to other workers.</summary>
    public void Forget(Fire fire)
    {
        Leave(fire);
        fire.State = new FireState.Over();
    }

    /// <summary>The timer of a fire has rung.</summary>
    public void Ring(Fire fire)
    {
        StopWaiting(fire);
        _due.Add(fire);
    }

    /// <summary>The fires that are tried now.</summary>
    /// <param name="slots">How many of those that abstained may be tried as well.</param>
    public List<Fire> TakeDue(int slots)
    {
        for (; slots > 0 && _abstained.First is { Value: var abstained }; slots--)
        {
            StopWaiting(abstained);
            _due.Add(abstained);
        }

        var due = new List<Fire>(_due.Count);
        foreach (var fire in _due.Where(Has))
        {
            if (fire.Doubt == Doubt.None && fire.Next is { } next && next.PlanTime <= context.Now)
            {
                GiveWay(fire);
            }
            else
            {
                due.Add(fire);
            }
        }

        _due.Clear();
        return due;
    }

    /// <summary>Replaces a fire with the one behind it, whose claim accounts for both. It is kept beside while its own may act.</summary>
    public void GiveWay(Fire fire)
    {
        var next = fire.Next!;
        (next.OwedSince, next.OwedMet) = (fire.OwedSince, fire.OwedMet | fire.Met);
        Forget(fire);
        next.Doubt = next.PlanTime == fire.PlanTime ? fire.Doubt : next.Doubt; // If its job has moved, it is the same fire again.
        if (fire.Doubt != Doubt.None && next.PlanTime != fire.PlanTime)
        {
            fire.GaveWayAt = context.Now;
            _pending[fire.Place] = fire;
            WaitOn(fire);
        }
    }

    /// <summary>Waits for what becomes of the claim of a fire that has given way.</summary>
    public void WaitOn(Fire fire)
    {
        if (context.Now < fire.GaveWayAt + Run.HeardWithin)
        {
            TryIn(fire, RankStep);
        }
        else
        {
            Forget(fire);
        }
    }

    /// <summary>
    /// Hands fires without a matching worker over to one that matches now. In mode all a new one accounts for no fires from before, so
    /// those that are overdue are recorded as missed now.
    /// </summary>
    /// <returns>The fires that are its own now.</returns>
    public List<Fire> LeaveTo(string worker, IReadOnlyDictionary<string, string> labels, bool isNew)
    {
        List<Fire> left = [];
        var waiting = _pending.Values.Where(fire =>
            fire is { NobodyMatches: true, IsQueued: false, IsAsked: false, Doubt: Doubt.None }
            && fire.Plan.Target.Matches(worker, labels));
        foreach (var fire in waiting.ToList())
        {
            var isClosed = isNew && fire.Plan.Mode == JobMode.All && fire.PlanTime <= context.Now;
            left.AddRange(isClosed ? [] : [fire]);
            left.AddRange(FireRow.TakeUnmatched(fire));
            if (isClosed)
            {
                StopWaiting(fire);
                TryIn(fire, RankStep * Math.Min(fire.Rank, LastRank));
            }
            else
            {
                Forget(fire);
            }
        }

        return left;
    }

    private void TryAt(Fire fire, DateTimeOffset moment, LinkedListNode<Fire>? abstention)
    {
        var latest = fire.Next is { } next && next.PlanTime < moment ? next.PlanTime : moment;
        fire.State = new FireState.Waiting(context.RingAt(latest, fire), abstention);
    }

    private void Queue(Fire fire, Fire behind)
    {
        FireRow.DropOvertaken(behind, context.Now);
        FireRow.LastOf(behind).Next = fire;
        fire.State = new FireState.Behind();
        if (behind.State is FireState.Waiting waiting && waiting.Timer.DueMs > behind.Next!.PlanTime.ToUnixTimeMilliseconds())
        {
            context.Wheel.Cancel(waiting.Timer);
            TryAt(behind, behind.Next.PlanTime, waiting.Abstention);
        }
    }

    private void StopWaiting(Fire fire)
    {
        if (fire.State is FireState.Waiting waiting)
        {
            context.Wheel.Cancel(waiting.Timer);
            if (waiting.Abstention is { } place)
            {
                _abstained.Remove(place);
            }

            fire.State = new FireState.New();
        }
    }
}
