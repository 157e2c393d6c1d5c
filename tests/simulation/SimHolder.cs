using Dts.Common.Etcd;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Runs;

namespace Dts.Tests.Simulation;

/// <summary>A request to start commands. Either the holder begins it, or the worker has given it up before, never both.</summary>
internal sealed class SimStart(SimHolder holder, IReadOnlyList<Run> runs, long notAfter)
{
    public SimHolder Holder => holder;

    public IReadOnlyList<Run> Runs => runs;

    /// <summary>The runs of which the worker has not heard.</summary>
    public List<Run> Unanswered { get; } = [.. runs];

    public long NotAfter => notAfter;

    public bool IsBegun { get; set; }

    public bool IsGivenUp { get; set; }
}

/// <summary>Holds a host's commands, whatever becomes of the worker.</summary>
/// <remarks>Worker and holder speak over a socket: in each direction, messages keep their order.</remarks>
internal sealed class SimHolder(SimWorld world, SimHost host) : SimProcess(world)
{
    private readonly Dictionary<string, SimCommand> _held = [];
    private long _readAt;
    private long _writtenAt;
    private bool _isMute; // It has died with messages that it had not written.

    /// <summary>What it holds, or has the ending of.</summary>
    public IEnumerable<SimCommand> Held => _held.Values;

    public int Count => _held.Count;

    public void Start(SimWorker from, SimStart start, IReadOnlyList<KillDeadline> deadlines)
    {
        var sentAt = World.Now;
        Receive(() =>
        {
            if (start.IsGivenUp)
            {
                return;
            }

            start.IsBegun = true;
            foreach (var run in start.Runs)
            {
                Start(from, start, run);
            }

            foreach (var deadline in deadlines)
            {
                KillAfter(deadline, sentAt);
            }
        });
    }

    public void Kill(string key, string reason, TimeSpan? grace = null) => Receive(() =>
    {
        if (_held.TryGetValue(key, out var command))
        {
            command.Kill(reason, grace);
        }
    });

    /// <summary>Has a command killed after a time, unless it is told another time before.</summary>
    public void KillAfter(KillDeadline deadline)
    {
        var sentAt = World.Now;
        Receive(() => KillAfter(deadline, sentAt));
    }

    public void Forget(string key) => _held.Remove(key);

    /// <summary>The process ends. Its worker hears that the connection is closed, after what was written to it.</summary>
    /// <param name="leavesOrphans">Its commands go on until somebody kills them. Otherwise they are gone with it.</param>
    public void Die(bool leavesOrphans)
    {
        Die();
        Tell(() => host.Worker?.Do(() => host.Worker?.Launcher.Lost(this)));
        _isMute = World.Chance(0.5);
        foreach (var command in _held.Values.Where(command => command.Ending is null))
        {
            if (leavesOrphans)
            {
                host.Orphans.Add(command);
            }
            else
            {
                command.Vanish();
            }
        }
    }

    /// <summary>A command is over.</summary>
    public void Ended(SimCommand command) => Do(() => Tell(() => host.Worker?.Do(() => host.Worker?.Launcher.Heard(command))));

    private void Start(SimWorker from, SimStart start, Run run)
    {
        SimCommand? command = null;
        if (World.Now <= start.NotAfter)
        {
            command = new SimCommand(World, host, this, run);
            _held.Add(run.Key, command);
            command.Begin();
        }

        Tell(() => from.Do(() => from.Launcher.Began(start, run, command)));
    }

    private void KillAfter(KillDeadline deadline, long sentAt)
    {
        if (_held.TryGetValue(deadline.Id, out var command))
        {
            command.KillAt(Math.Max(World.Now, sentAt + (deadline.After.Ticks / TimeSpan.TicksPerMicrosecond)), deadline);
        }
    }

    private void Receive(Action action)
    {
        _readAt = Math.Max(_readAt, World.Now + Delay());
        World.Do(_readAt, this, action);
    }

    private void Tell(Action action)
    {
        var isFarewell = IsDead;
        _writtenAt = Math.Max(_writtenAt, World.Now + Delay());
        World.Do(_writtenAt, () =>
        {
            if (isFarewell || !_isMute)
            {
                action();
            }
        });
    }

    private long Delay() => World.Chance(0.01) ? World.Between(1, 20 * SimWorld.Ms) : World.Between(20, 300);
}

/// <summary>A command that runs, or has run.</summary>
internal sealed class SimCommand(SimWorld world, SimHost host, SimHolder holder, Run run)
{
    private int _change; // An end that was planned before it is off.
    private long _killAt = long.MaxValue;
    private SimWitness.Mark? _mark;
    private bool _isKilled;

    public string Key { get; } = run.Key;

    public Run Run => run;

    public SimHolder Holder => holder;

    /// <summary>The session under which it was started.</summary>
    public LeaseId Session { get; } = run.Session;

    public DateTimeOffset StartedAt { get; private set; }

    /// <summary>Null = it goes on.</summary>
    public CommandEnding? Ending { get; private set; }

    public void Begin()
    {
        StartedAt = host.Clock.GetUtcNow();
        _mark = host.Witness.Started(run, host.Id);
        world.Note("starts", host.Id, Key);
        var (after, outcome) = host.Witness.Play(run);
        EndIn(after, outcome, isSeen: true);
        if (run.Job.TimeoutSeconds is > 0 and var timeout && timeout * SimWorld.Second < after)
        {
            EndIn(timeout * SimWorld.Second, new CommandOutcome.TimedOut(TimeSpan.FromSeconds(timeout)), isSeen: true);
        }
    }

    public void Kill(string reason, TimeSpan? grace)
    {
        if (Ending is not null || _isKilled)
        {
            return;
        }

        _isKilled = true;
        world.Note($"is killed: {reason}", host.Id, Key);
        var most = (long)(grace ?? TimeSpan.FromSeconds(run.Job.KillGraceSeconds)).TotalMilliseconds * SimWorld.Ms;
        var isHeard = world.Chance(0.7);
        EndIn(isHeard ? Math.Min(most, world.Between(100, 50 * SimWorld.Ms)) : most, new CommandOutcome.Killed(reason), isHeard);
    }

    public void KillAt(long at, KillDeadline deadline)
    {
        if (at != _killAt && Ending is null)
        {
            _killAt = at;
            world.Do(at, holder, () =>
            {
                if (_killAt == at)
                {
                    Kill(deadline.Reason, deadline.Grace);
                }
            });
        }
    }

    /// <summary>It is killed without a word, and can write no end.</summary>
    public void Vanish() => _change++;

    /// <param name="isSeen">It has the time to write its end.</param>
    private void EndIn(long after, CommandOutcome outcome, bool isSeen)
    {
        var change = ++_change;
        world.Do(world.Now + after, () =>
        {
            if (change == _change && Ending is null)
            {
                End(outcome, isSeen);
            }
        });
    }

    private void End(CommandOutcome outcome, bool isSeen)
    {
        outcome = outcome is CommandOutcome.Exited ? host.Witness.Finish(run, outcome) : outcome;
        host.Witness.Ended(_mark!, isSeen);
        Ending = new CommandEnding(
            outcome,
            (outcome as CommandOutcome.Exited)?.Status,
            outcome is CommandOutcome.Killed or CommandOutcome.TimedOut ? 15 : null,
            StartedAt,
            host.Clock.GetUtcNow(),
            CpuMs: 0,
            MaxRssKb: null,
            Output: "",
            OutputBytes: 0,
            OutputTruncated: false,
            OutputStored: 0,
            Leftovers: []);
        world.Note($"ends: {outcome.Error}", host.Id, Key);
        holder.Ended(this);
    }
}
