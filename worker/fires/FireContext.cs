using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>What the parts of <see cref="Fires"/> share: settings, the moment, the wheel, the slots, the actions decided so far.</summary>
internal sealed class FireContext(string workerId, Keys keys, CronZone defaultZone, TimeSpan claimAhead, int slots, DateTimeOffset now)
{
    /// <summary>How far the clock must be stepped back to count as a step.</summary>
    public static readonly TimeSpan StepBack = TimeSpan.FromSeconds(1);

    private List<FireAction> _actions = [];

    public string WorkerId { get; } = workerId;

    public Keys Keys { get; } = keys;

    public CronZone DefaultZone { get; } = defaultZone;

    /// <summary>How long before its plan time a fire is claimed.</summary>
    public TimeSpan ClaimAhead { get; } = claimAhead;

    public Moment Moment { get; set; } = new(now, null, TimeSpan.Zero, MayClaim: true);

    public DateTimeOffset Now => Moment.Now;

    public TimerWheel<ITimed> Wheel { get; } = new(now.ToUnixTimeMilliseconds());

    public SlotCount Slots { get; } = new(slots);

    /// <summary>Further ahead than any fire is claimed.</summary>
    public bool IsTooFarAhead(Fire fire) => !fire.IsQueued && IsTooFarAhead(fire.PlanTime);

    public bool IsTooFarAhead(DateTimeOffset time) => time > Now + ClaimAhead + StepBack;

    public void Do(FireAction action) => _actions.Add(action);

    /// <summary>Has the endings recorded that a claim put: that of the fire itself, if any, and that of its backlog.</summary>
    public void RecordOwed(Fire fire, KeyValue? job, OwedEnding? closing)
    {
        foreach (var owed in new[] { fire.Backlog?.Missed, closing }.OfType<OwedEnding>())
        {
            Do(new FireAction.RecordOwed(fire.Name, job, owed));
        }
    }

    public IReadOnlyList<FireAction> TakeActions()
    {
        var actions = _actions;
        if (actions.Count > 0)
        {
            _actions = [];
        }

        return actions;
    }

    public TimerWheel<ITimed>.Entry RingAt(DateTimeOffset time, ITimed timed) => Wheel.Add(time.ToUnixTimeMilliseconds(), timed);
}

/// <summary>How many commands this worker may run at a time, and how many slots are in use or reserved.</summary>
internal sealed class SlotCount(int total)
{
    /// <summary>May fall below the number taken. Those go on, and no slot is free until enough of them have ended.</summary>
    public int Total { get; set; } = total;

    /// <inheritdoc cref="FireEvent.HoldersSilent" path="/param[@name='Users']"/>
    public IReadOnlyCollection<string?> SilentHolders { get; set; } = [];

    public bool IsDrained { get; set; }

    /// <summary>Slots used by starting or running commands.</summary>
    public int Taken { get; set; }

    /// <summary>Slots reserved for claimed runs that have not started.</summary>
    public int Promised { get; set; }

    /// <summary>Slots reserved for claims under way.</summary>
    public int Asked { get; set; }

    /// <summary>How many slots new claims may use in all.</summary>
    public int Offered => SilentHolders.Count == 0 && !IsDrained ? Total : 0;

    /// <summary>How many more fires may be claimed now.</summary>
    public int ForClaims => Offered - Taken - Promised - Asked;

    /// <summary>Whether a claimed run may start now.</summary>
    public bool HasFree => Taken < Total;
}
