using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>Where a fire stands, from the moment it is due to be claimed until its run is over.</summary>
internal abstract record FireState
{
    private FireState()
    {
    }

    /// <summary>No step has been taken yet.</summary>
    public sealed record New : FireState;

    /// <summary>It waits behind an earlier fire of its job's schedule.</summary>
    public sealed record Behind : FireState;

    /// <summary>It is tried again at a time.</summary>
    /// <param name="Abstention">Its place among the fires that wait for a slot; null = it does not wait for one.</param>
    public sealed record Waiting(TimerWheel<ITimed>.Entry Timer, LinkedListNode<Fire>? Abstention) : FireState;

    /// <summary>It waits for a request that reads where it stands.</summary>
    public sealed record ToLook : FireState;

    /// <summary>It waits for a request that claims it.</summary>
    public sealed record ToClaim : FireState;

    /// <summary>Another claim of its job is under way.</summary>
    public sealed record AwaitsTurn : FireState;

    /// <summary>etcd is asked about it.</summary>
    /// <param name="TakesSlot">A slot is kept for the run that the answer may bring.</param>
    /// <param name="Closing">The ending that the request decides, if it closes the fire without a run.</param>
    public sealed record Asking(bool TakesSlot, OwedEnding? Closing) : FireState;

    /// <summary>It has become a run.</summary>
    public abstract record OfRun(Run Run) : FireState;

    /// <summary>Its run is claimed, and its command is being prepared.</summary>
    /// <param name="StartsAt">When it is to start.</param>
    public sealed record Preparing(Run Run, DateTimeOffset StartsAt) : OfRun(Run);

    /// <summary>Its command is prepared, and waits for its time.</summary>
    /// <param name="StartsAtMs">That time, in Unix milliseconds.</param>
    /// <param name="Timer">Rings shortly before it, and then again (<see cref="StartTimes"/>).</param>
    public sealed record Claimed(Run Run, long StartsAtMs, TimerWheel<ITimed>.Entry Timer) : OfRun(Run);

    /// <summary>Its time has come, and it waits for a slot.</summary>
    /// <param name="Deadline">Rings when it is too late to start.</param>
    public sealed record Ready(Run Run, TimerWheel<ITimed>.Entry Deadline) : OfRun(Run);

    /// <param name="Kill">A kill that was requested meanwhile.</param>
    public sealed record Starting(Run Run, FireAction.Kill? Kill) : OfRun(Run);

    public sealed record Running(Run Run, DateTimeOffset StartedAt) : OfRun(Run);

    /// <summary>Its run has ended; etcd does not say so yet.</summary>
    public sealed record Ended(Run Run) : OfRun(Run);

    /// <summary>It is decided here, or left to other workers.</summary>
    public sealed record Over : FireState;
}

/// <summary>An entry of the timer wheel: a job's schedule, a requested run, or a fire.</summary>
internal interface ITimed;

/// <summary>How much is known about a claim whose answer was lost.</summary>
internal enum Doubt
{
    /// <summary>No answer was lost.</summary>
    None,

    /// <summary>etcd has answered since, but the lost request may still take effect, or have taken it.</summary>
    MayBeOurs,

    /// <summary>etcd has not answered since. Until it does, no other claim of the job may be sent.</summary>
    Unanswered,
}
