using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Worker.Fires;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Tests.Simulation;

/// <summary>A worker's process: the decisions are the product's, and what performs them is simulated.</summary>
internal sealed class SimWorker : SimProcess
{
    private const long StopsWithin = 30 * SimWorld.Second;
    private const long RecordsWithin = 2 * SimWorld.Second;

    private readonly SimCluster _cluster;
    private readonly Fires _fires;
    private readonly OwedEndings _owed;
    private readonly SimRequests _requests;
    private readonly SimWatches _watches;
    private readonly SimCancels _cancels;
    private long _alarmAt = long.MaxValue;

    public SimWorker(SimWorld world, SimCluster cluster, SimHost host)
        : base(world)
    {
        (_cluster, Host) = (cluster, host);
        var keys = cluster.Keys;
        Clocks = new ClockCheck(host.Id, host.Clock, NullLogger.Instance);
        _fires = new Fires(
            new FireContext(host.Id, keys, CronZone.Utc, cluster.ClaimAhead, cluster.Slots, host.Clock.GetUtcNow()),
            new Dictionary<string, string>());
        var writer = new RecordWriter(host.Id, host.Id, TimeSpan.FromDays(30));
        Records = new SimRecords(world, this, cluster, new CompletionTxn(keys, host.Id));
        Launcher = new SimLauncher(world, this, cluster, writer);
        _owed = new OwedEndings(keys, writer, new SimRecords.Sink(Records), NullLogger.Instance);
        Settler = new SimSettler(world, this, cluster, new SimSettlement(world, this, cluster, _owed));
        Session = new SimSession(world, this, cluster);
        _requests = new SimRequests(this);
        _watches = new SimWatches(world, this, cluster);
        _cancels = new SimCancels(cluster, host);
    }

    public SimHost Host { get; }

    public ClockCheck Clocks { get; }

    public SimSession Session { get; }

    public SimSettler Settler { get; }

    public SimRecords Records { get; }

    public SimLauncher Launcher { get; }

    /// <summary>The runs that it holds.</summary>
    public IReadOnlyCollection<Run> Runs => Launcher.Runs;

    public SlotCount Slots => _fires.Slots;

    public SimLink Link => Host.Link;

    public DateTimeOffset Wall => Host.Clock.GetUtcNow();

    public void Start()
    {
        Launcher.Adopt();
        Session.Start();
        Settler.Start();
        Records.Start();
        _watches.Start();
        Launcher.Start();
    }

    public void Take(FireEvent happened)
    {
        if (IsStalled || IsDead)
        {
            Do(() => Take(happened)); // A stroke of the nemesis came between this event and the one before.
            return;
        }

        _cancels.Hear(happened);
        Perform(_fires.Take(happened, MomentNow()), 0, World.Now);
        SetAlarm();
    }

    /// <summary>The wall clock was stepped.</summary>
    public void ClockStepped() => Do(() =>
    {
        _alarmAt = long.MaxValue;
        Take(new FireEvent.Tick());
    });

    /// <summary>Ends as <see cref="FireLoop"/> does: claims nothing more, starts what is claimed, and leaves running commands.</summary>
    public void Stop(Action ended)
    {
        World.Note("is told to stop", Host.Id);
        Take(new FireEvent.Stopping());
        StopStarting(World.Now + StopsWithin, ended);
    }

    public override void Die()
    {
        base.Die();
        _watches.Stop();
        Clocks.Dispose();
    }

    /// <summary>A worker whose own check fails ends, and systemd restarts it. It is a fault all the same.</summary>
    protected override bool EndsBy(InvalidOperationException bug)
    {
        World.Note($"ends by its own check: {bug.Message}", Host.Id);
        _cluster.Faults.Add($"{bug.Message} ({Host.Id} ended)");
        _cluster.Kill(Host);
        World.Do(World.Now + SimWorld.Second, () => _cluster.Start(Host));
        return true;
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
        StopRecording(World.Now + RecordsWithin, ended);
    }

    /// <summary>Starts that are on their way are awaited, and what has ended is completed, if etcd answers.</summary>
    private void StopRecording(long until, Action ended)
    {
        if ((!Records.IsIdle || Launcher.IsStarting) && World.Now < until)
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

    private Moment MomentNow()
    {
        var session = Session.Current;
        return new Moment(Wall, session?.Lease, session?.HoldsFor ?? TimeSpan.Zero, Clocks.MayClaim);
    }

    private void Perform(IReadOnlyList<FireAction> actions, int from, long decidedAt)
    {
        for (var index = from; index < actions.Count; index++)
        {
            // It may have stopped within the action before this one.
            if (IsStalled || IsDead || _cluster.Nemesis?.StrikesBefore(actions[index], this) == true)
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
                foreach (var run in runs)
                {
                    _cancels.CheckStart(run);
                }

                Launcher.Start(runs, patience, decidedAt);
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
                Dts.Worker.Runs.Launcher.Kill(run, reason, revision);
                break;
            case FireAction.RecordNotStarted(var run, var status, var why):
                _cancels.CheckEnd(run, status, why);
                Launcher.End(run, status, why);
                break;
            case FireAction.RecordOwed(var name, var job, var ending):
                World.Note($"is {ending.Status}: {ending.Why}", Host.Id, $"{name}/{ending.Run.Id}");
                _owed.TryRecord(name, job, ending);
                break;
        }
    }

    private string? Prepare(Run run)
    {
        _cluster.CheckDefinition(run);
        return Launcher.Prepare(run);
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
}
