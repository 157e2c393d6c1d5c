using Dts.Common.Jobs;
using Dts.Worker.Commands;

namespace Dts.Worker.Fires;

/// <summary>The fires that are not settled yet, and when each is to be tried next.</summary>
/// <remarks>
/// <para>Not thread-safe. The claimer's loop owns it.</para>
/// <para>Scheme: of one job's schedule one fire is pending, and later ones wait behind it. It keeps its place until it is settled or the
/// next one's time has come; then the next one's claim accounts for it. Only one that may be ours without our knowing (its answer was lost)
/// stays until that is found out. A run out of the queue has a place of its own until it is settled.</para>
/// </remarks>
internal sealed class PendingFires(TimeSpan claimAhead, TimeProvider time)
{
    private const int LastRank = 7; // Those behind it keep its time.

    private static readonly TimeSpan StepBack = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RankStep = TimeSpan.FromMilliseconds(250);

    private readonly Dictionary<(JobName, string), Fire> _pending = [];
    private readonly TimerWheel<Fire> _wheel = new(time.GetUtcNow().ToUnixTimeMilliseconds());
    private readonly List<Fire> _due = [];
    private DateTimeOffset _lookedAt;
    private readonly LinkedList<Fire> _abstained = new(); // They wait for a slot, the oldest first.

    /// <summary>When <see cref="TakeDue"/> has something to give again, in Unix milliseconds.</summary>
    public long? NextDue => _wheel.NextDue;

    /// <summary>The pending fire of a job's schedule.</summary>
    public Fire? FindScheduled(JobName name) => _pending.GetValueOrDefault((name, ""));

    public Fire? FindQueued(JobName name, string runId) => _pending.GetValueOrDefault((name, runId));

    public bool Has(Fire fire) => _pending.GetValueOrDefault(fire.Place) == fire;

    public void Add(Fire fire)
    {
        if (_pending.TryAdd(fire.Place, fire))
        {
            var first = fire.NobodyMatches ? fire.Deadline : fire.Run.NotBefore - claimAhead;
            var now = time.GetUtcNow();
            TryAt(fire, (first > now ? first : now) + (RankStep * Math.Min(fire.Rank, LastRank)));
        }
        else if (!fire.IsQueued
            && _pending[fire.Place] is { IsAsked: false, IsUncertain: false } pending
            && pending.PlanTime > fire.PlanTime)
        {
            pending.Next = null; // Of a time that is to come again: the clock was stepped back.
            Forget(pending);
            Add(fire);
        }
        else if (!fire.IsQueued)
        {
            Queue(fire, behind: _pending[fire.Place]);
        }
    }

    public void TryAt(Fire fire, DateTimeOffset moment)
    {
        var latest = fire.Next is { } next && next.PlanTime < moment ? next.PlanTime : moment;
        fire.Timer = _wheel.Add(latest.ToUnixTimeMilliseconds(), fire);
    }

    public void TryIn(Fire fire, TimeSpan pause) => TryAt(fire, time.GetUtcNow() + pause);

    /// <summary>
    /// Leaves a fire to others for want of a slot; it is tried again when there is room, and after a pause, for others may have taken it.
    /// </summary>
    public void Abstain(Fire fire, TimeSpan pause)
    {
        fire.HasAbstained = true;
        fire.Abstention = _abstained.AddLast(fire);
        TryIn(fire, pause);
    }

    /// <summary>The fire is settled, or somebody else's business.</summary>
    public void Forget(Fire fire)
    {
        Unschedule(fire);
        _pending.Remove(fire.Place);
        if (fire.Next is { } next)
        {
            Add(next);
        }
    }

    /// <summary>The fires that are to be tried now.</summary>
    /// <param name="room">How many of those that abstained there is room for now.</param>
    public List<Fire> TakeDue(int room)
    {
        var now = time.GetUtcNow();
        _due.Clear();
        _wheel.Advance(now.ToUnixTimeMilliseconds(), _due);
        _due.ForEach(Unschedule);
        if (now + StepBack < _lookedAt)
        {
            ForgetOfTheFuture(now);
        }

        _lookedAt = now;
        for (; room > 0 && _abstained.First is { Value: var abstained }; room--)
        {
            Unschedule(abstained);
            _due.Add(abstained);
        }

        var due = new List<Fire>(_due.Count);
        foreach (var fire in _due)
        {
            if (IsOvertaken(fire))
            {
                GiveWay(fire);
            }
            else
            {
                due.Add(fire);
            }
        }

        return due;
    }

    /// <summary>Replaces a fire with the one that waits behind it; the claim of the latter accounts for both.</summary>
    public void GiveWay(Fire fire)
    {
        fire.Next!.OwedSince = fire.OwedSince;
        Forget(fire);
    }

    /// <summary>
    /// Leaves fires that no worker matched to a worker that has joined. In mode all that worker does not account for fires from before it
    /// joined, so those that are overdue are recorded as missed now.
    /// </summary>
    public void LeaveTo(string worker, IReadOnlyDictionary<string, string> labels)
    {
        var now = time.GetUtcNow();
        var waiting = _pending.Values.Where(fire =>
            fire is { NobodyMatches: true, IsQueued: false, IsAsked: false, IsUncertain: false }
            && fire.Plan.Target.Matches(worker, labels));
        foreach (var fire in waiting.ToList())
        {
            while (fire.Next is { NobodyMatches: true } next)
            {
                fire.Next = next.Next;
            }

            if (fire.Plan.Mode == JobMode.All && fire.PlanTime <= now)
            {
                Unschedule(fire);
                TryIn(fire, RankStep * Math.Min(fire.Rank, LastRank));
            }
            else
            {
                Forget(fire);
            }
        }
    }

    /// <summary>
    /// Forgets a fire that is further ahead than any fire is claimed: the clock was stepped back while etcd was asked about it. It is
    /// planned again when its time comes.
    /// </summary>
    public bool TryForgetOfTheFuture(Fire fire, DateTimeOffset now)
    {
        if (fire.IsUncertain || !IsOfTheFuture(fire, now))
        {
            return false;
        }

        fire.Next = null;
        Forget(fire);
        return true;
    }

    /// <summary>
    /// The clock was stepped back: what is far ahead now is planned again when its time comes. What may be ours already is looked up.
    /// </summary>
    private void ForgetOfTheFuture(DateTimeOffset now)
    {
        foreach (var fire in _pending.Values.Where(fire => !fire.IsAsked && IsOfTheFuture(fire, now)).ToList())
        {
            if (fire is { IsUncertain: true, Timer: not null })
            {
                Unschedule(fire);
                _due.Add(fire);
            }
            else
            {
                TryForgetOfTheFuture(fire, now);
            }
        }
    }

    /// <summary>Further ahead than any fire is claimed.</summary>
    private bool IsOfTheFuture(Fire fire, DateTimeOffset now) => !fire.IsQueued && fire.PlanTime > now + claimAhead + StepBack;

    /// <summary>Later fires wait in a row; one whose successor's time has come is dropped.</summary>
    private void Queue(Fire fire, Fire behind)
    {
        var now = time.GetUtcNow();
        while (behind.Next is { Next: { } later } dropped && later.PlanTime <= now)
        {
            later.OwedSince = dropped.OwedSince;
            behind.Next = later;
        }

        var last = behind;
        while (last.Next is { } next)
        {
            last = next;
        }

        last.Next = fire;
        if (behind.Timer is { } timer && timer.DueMs > behind.Next!.PlanTime.ToUnixTimeMilliseconds())
        {
            _wheel.Cancel(timer);
            TryAt(behind, behind.Next.PlanTime);
        }
    }

    private bool IsOvertaken(Fire fire) => !fire.IsUncertain && fire.Next is { } next && next.PlanTime <= time.GetUtcNow();

    private void Unschedule(Fire fire)
    {
        if (fire.Timer is { } timer)
        {
            _wheel.Cancel(timer);
        }

        fire.Timer = null;
        if (fire.Abstention is { } place)
        {
            _abstained.Remove(place);
        }

        fire.Abstention = null;
    }
}
