using System.Threading.Channels;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Fires;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Tests.Simulation;

/// <summary>A worker's process: the decisions are the product's, and what performs them is simulated.</summary>
internal sealed class SimWorker : SimProcess
{
    private const long RefreshEvery = 250 * SimWorld.Ms;
    private const long ClockCheckedEvery = 20 * SimWorld.Ms;

    private static readonly TimeSpan StartsWithin = HeldCommands.StartsWithin;
    private static readonly TimeSpan GivesUpAfter = TimeSpan.FromMilliseconds(200);

    private readonly SimCluster _cluster;
    private readonly Fires _fires;
    private readonly RecordWriter _recorder;
    private readonly OwedEndings _owed;
    private readonly SimRequests _requests;
    private readonly SimWatches _watches;
    private readonly Dictionary<string, Run> _runs = [];
    private readonly SimClock.Bell _pulse;
    private long _alarmAt = long.MaxValue;
    private int _commands;
    private int _starting;
    private long _nextPulse;
    private long _clockCheckedAt = long.MinValue / 2;
    private bool _mayClaim;

    public SimWorker(SimWorld world, SimCluster cluster, SimHost host)
        : base(world)
    {
        (_cluster, Host) = (cluster, host);
        var keys = cluster.Keys;
        Clocks = new ClockCheck(host.Id, host.Clock, NullLogger.Instance);
        _pulse = host.Clock.Timer!;
        _fires = new Fires(
            new FireContext(host.Id, keys, CronZone.Utc, cluster.ClaimAhead, cluster.Slots, host.Clock.GetUtcNow()),
            new Dictionary<string, string>());
        _recorder = new RecordWriter(host.Id, host.Id, TimeSpan.FromDays(30));
        Records = new SimRecords(world, this, cluster, new CompletionTxn(keys, host.Id));
        _owed = new OwedEndings(keys, _recorder, new EndingSink(Records), NullLogger.Instance);
        Settler = new SimSettler(world, this, cluster, _owed);
        Session = new SimSession(world, this, cluster);
        _requests = new SimRequests(this, cluster);
        _watches = new SimWatches(world, this, cluster);
    }

    public SimHost Host { get; }

    public ClockCheck Clocks { get; }

    public SimSession Session { get; }

    public SimSettler Settler { get; }

    public SimRecords Records { get; }

    /// <summary>The runs that it holds.</summary>
    public IReadOnlyCollection<Run> Runs => _runs.Values;

    public SimLink Link => Host.Link;

    public DateTimeOffset Wall => Host.Clock.GetUtcNow();

    public void Start()
    {
        foreach (var held in Host.Holder.Held.ToList())
        {
            Adopt(held);
        }

        Session.Start();
        Settler.Start();
        Records.Start();
        _watches.Start();
        Refresh();
    }

    public void Take(FireEvent happened)
    {
        if (IsStalled || IsDead)
        {
            Do(() => Take(happened)); // A stroke of the nemesis came between this event and the one before.
            return;
        }

        Perform(_fires.Take(happened, MomentNow()), 0, World.Now);
        SetAlarm();
    }

    /// <summary>The wall clock was stepped.</summary>
    public void ClockStepped() => Do(() =>
    {
        (_alarmAt, _clockCheckedAt) = (long.MaxValue, long.MinValue / 2);
        Take(new FireEvent.Tick());
    });

    /// <summary>The holder has answered a start.</summary>
    /// <param name="command">Null = it came too late, or was given up.</param>
    public void Began(Run run, SimCommand? command)
    {
        _starting--;
        var tooLate = CommandEnding.NotStarted("it was not started in time", Wall, tooLate: true);
        run.Command = command is null ? new RunningCommand(tooLate) : Follow(command);
        if (run.IsRunElsewhere)
        {
            run.Command.Kill(Run.RunElsewhere);
        }

        Take(new FireEvent.Started(run, run.Command));
        if (command is null)
        {
            Finish(run, tooLate);
        }
    }

    /// <summary>The holder says that a command has ended.</summary>
    public void Heard(SimCommand command)
    {
        if (_runs.GetValueOrDefault(command.Key) is { Command: not null, Status: null } run)
        {
            Finish(run, command.Ending!);
        }
    }

    /// <summary>The completion of a run stands in etcd.</summary>
    public void Completed(Run run)
    {
        if (_runs.Remove(run.Key))
        {
            Take(new FireEvent.Completed(run));
        }

        Host.Holder.Forget(run.Key);
    }

    /// <summary>Ends as <see cref="FireLoop"/> does: claims nothing more, starts what is claimed, and leaves running commands.</summary>
    public void Stop(Action ended)
    {
        World.Note("is told to stop", Host.Id);
        Take(new FireEvent.Stopping());
        StopStarting(World.Now + (30 * SimWorld.Second), ended);
    }

    public override void Die()
    {
        base.Die();
        _watches.Stop();
        Clocks.Dispose();
    }

    private void StopStarting(long until, Action ended)
    {
        Take(new FireEvent.Tick());
        if ((_fires.IsAsking || _fires.Slots.Promised > 0) && World.Now < until)
        {
            In(SimWorld.Ms, () => StopStarting(until, ended));
            return;
        }

        Take(new FireEvent.StartNothingMore("the worker was told to stop before it could start"));
        StopRecording(World.Now + (2 * SimWorld.Second), ended);
    }

    /// <summary>Starts that are on their way are awaited, and what has ended is completed, if etcd answers.</summary>
    private void StopRecording(long until, Action ended)
    {
        if ((!Records.IsIdle || _starting > 0) && World.Now < until)
        {
            In(10 * SimWorld.Ms, () => StopRecording(until, ended));
            return;
        }

        Session.End();
        In(10 * SimWorld.Ms, () =>
        {
            World.Note("has stopped", Host.Id);
            _cluster.Kill(Host);
            ended();
        });
    }

    private void Adopt(SimCommand held)
    {
        var of = held.Run; // What the holder kept of it: as it was claimed.
        var run = new Run(of.Name, of.Job, of.JobRevision, of.Spec, of.ClaimedAt, of.FencingToken, held.Session) { Command = Follow(held) };
        _runs.Add(run.Key, run);
        World.Note("is adopted", Host.Id, run.Key);
        Take(new FireEvent.Adopted(run, held.StartedAt));
        if (held.Ending is { } ending)
        {
            Finish(run, ending);
        }
    }

    private RunningCommand Follow(SimCommand command) => new(
        ++_commands, startTicks: 0, command.StartedAt, (_, reason, grace) => Host.Holder.Kill(command.Key, reason, grace));

    private void Finish(Run run, CommandEnding ending)
    {
        var record = _recorder.Ran(run, ending, use: null);
        run.Status = record.Status;
        Records.Add(new Ending(record, run));
        Take(new FireEvent.Ended(run, ending.EndedAt - ending.StartedAt));
    }

    private Moment MomentNow()
    {
        var session = Session.Current;
        if (World.Now > _clockCheckedAt + ClockCheckedEvery)
        {
            (_clockCheckedAt, _mayClaim) = (World.Now, Clocks.MayClaim); // It takes longer than a decision.
        }

        return new Moment(Wall, session?.Lease, session?.HoldsFor ?? TimeSpan.Zero, _mayClaim);
    }

    private void Perform(IReadOnlyList<FireAction> actions, int from, long decidedAt)
    {
        for (var index = from; index < actions.Count; index++)
        {
            if (_cluster.Nemesis?.StrikesBefore(actions[index], this) == true)
            {
                Do(() => Perform(actions, index, decidedAt)); // The process was stopped between two instructions.
                return;
            }

            Perform(actions[index], decidedAt);
        }
    }

    private void Perform(FireAction action, long decidedAt)
    {
        switch (action)
        {
            case FireAction.Start(var runs, var patience):
                Start(runs, patience, decidedAt);
                break;
            case FireAction.Ask(var request):
                _requests.Ask(request);
                break;
            case FireAction.RequestEnd(var fire, var txn):
                Link.Txn(this, txn, _ => { }, _ => Take(new FireEvent.EndNotRequested(fire)));
                break;
            case FireAction.Prepare(var runs):
                Take(new FireEvent.Prepared([.. runs.Select(run => new Preparation(run, Prepare(run)))]));
                break;
            case FireAction.Kill(var run, var reason, var revision):
                Launcher.Kill(run, reason, revision);
                break;
            case FireAction.RecordNotStarted(var run, var status, var why):
                _runs.TryAdd(run.Key, run);
                run.Status = status;
                World.Note($"does not start: {status} {why}", Host.Id, run.Key);
                Records.Add(new Ending(_recorder.NotStarted(run, status, why, Wall), run));
                break;
            case FireAction.RecordOwed(var name, var job, var ending):
                World.Note($"is {ending.Status}: {ending.Why}", Host.Id, $"{name}/{ending.Run.Id}");
                _owed.TryRecord(name, job, ending);
                break;
        }
    }

    private string? Prepare(Run run)
    {
        _runs.Add(run.Key, run);
        World.Note("is claimed", Host.Id, run.Key);
        CheckDefinition(run);
        return run.Job.Command == SimWitness.Unstartable ? "no such user" : null;
    }

    /// <summary>A run has the definition that its claim compared.</summary>
    private void CheckDefinition(Run run)
    {
        var etcd = _cluster.Server.Etcd;
        if (run.FencingToken >= etcd.Keys.CompactRevision && run.FencingToken <= etcd.Revision)
        {
            var then = etcd.Keys.ListAt(new KeyRange(Txn.Bytes(_cluster.Keys.Job(run.Name))), run.FencingToken);
            if (then.FirstOrDefault()?.ModRevision is var had && had != run.JobRevision)
            {
                _cluster.Faults.Add($"{run.Key} was claimed with the definition of {run.JobRevision}; its job had that of {had}");
            }
        }
    }

    private void Start(IReadOnlyList<Run> runs, TimeSpan patience, long decidedAt)
    {
        var within = patience < StartsWithin ? patience : StartsWithin;
        var start = new SimStart(runs, decidedAt + (within.Ticks / TimeSpan.TicksPerMicrosecond));
        var deadlines = runs
            .Select(run => DisconnectKills.FindDeadline(run, Session.Current, _cluster.Ttl))
            .OfType<KillDeadline>()
            .ToList();
        _starting += runs.Count;
        Host.Holder.Start(this, start, deadlines);
        var most = (within > TimeSpan.Zero ? within : TimeSpan.Zero) + GivesUpAfter;
        In(most.Ticks / TimeSpan.TicksPerMicrosecond, () =>
        {
            if (!start.IsBegun)
            {
                start.IsGivenUp = true;
                foreach (var run in runs)
                {
                    Began(run, null);
                }
            }
        });
    }

    private void SetAlarm()
    {
        if (_fires.NextDue is { } due && Host.Clock.WhenItShows(due) is var at && at < _alarmAt)
        {
            _alarmAt = at = Math.Max(at, World.Now + 1);
            In(at - World.Now, () => Ring(at));
        }
    }

    private void Ring(long at)
    {
        if (at == _alarmAt)
        {
            _alarmAt = long.MaxValue;
            Take(new FireEvent.Tick());
        }
    }

    /// <summary>What looks at the time now and then: the pulse of the clock check, and the kills of a worker that is cut off.</summary>
    private void Refresh()
    {
        if (World.Now >= _nextPulse)
        {
            _pulse.Ring();
            _nextPulse = World.Now + (2 * RefreshEvery);
        }

        foreach (var run in _runs.Values)
        {
            if (run is { Command: not null, Status: null }
                && Session.HadOne
                && DisconnectKills.FindDeadline(run, Session.Current, _cluster.Ttl) is { } deadline)
            {
                Host.Holder.KillAfter(deadline);
            }
        }

        In(RefreshEvery, Refresh);
    }

    /// <summary>Where the product writes what is owed.</summary>
    private sealed class EndingSink(SimRecords records) : ChannelWriter<Ending>
    {
        public override bool TryWrite(Ending item)
        {
            records.Add(item);
            return true;
        }

        public override ValueTask<bool> WaitToWriteAsync(CancellationToken cancellationToken = default) => ValueTask.FromResult(true);
    }
}
