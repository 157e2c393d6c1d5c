using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Fires;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;

namespace Dts.Tests.Simulation;

/// <summary>Starts commands through the holder, follows them to their end, and records it, as <see cref="Launcher"/> does.</summary>
internal sealed class SimLauncher(SimWorld world, SimWorker worker, SimCluster cluster, RecordWriter recorder)
{
    private const long RefreshEvery = 250 * SimWorld.Ms;
    private const string Unheard = "the process that held its command is gone, so nobody heard how it ended";

    private static readonly TimeSpan StartsWithin = HeldCommands.StartsWithin;
    private static readonly TimeSpan GivesUpAfter = TimeSpan.FromMilliseconds(200);

    private readonly Dictionary<string, Run> _runs = [];
    private readonly Dictionary<string, SimCommand> _followed = []; // Of the runs that have started and not ended.
    private readonly List<SimStart> _starts = [];
    private readonly SimClock.Bell _pulse = worker.Host.Clock.Timer!;
    private int _commands;
    private long _nextPulse;

    public IReadOnlyCollection<Run> Runs => _runs.Values;

    /// <summary>A holder owes an answer to a start.</summary>
    public bool IsStarting => _starts.Count > 0;

    private SimHost Host => worker.Host;

    public void Start() => Refresh();

    /// <summary>Follows what a process of this host before this one started, and kills what nobody can follow.</summary>
    public void Adopt()
    {
        Host.KillOrphans();
        foreach (var held in Host.Holder.Held.ToList())
        {
            Adopt(held);
        }
    }

    /// <returns>Why the command cannot be started here; null = it is ready.</returns>
    public string? Prepare(Run run)
    {
        if (!_runs.TryAdd(run.Key, run) && _runs[run.Key] != run)
        {
            throw new InvalidOperationException($"{run.Key} was claimed twice");
        }

        world.Note("is claimed", Host.Id, run.Key);
        return run.Job.Command == SimWitness.Unstartable ? "no such user" : null;
    }

    public void Start(IReadOnlyList<Run> runs, TimeSpan patience, long decidedAt)
    {
        var within = patience < StartsWithin ? patience : StartsWithin;
        var start = new SimStart(Host.Holder, runs, decidedAt + Micros(within));
        _starts.Add(start);
        var deadlines = runs
            .Select(run => DisconnectKills.FindDeadline(run, worker.Session.Current, cluster.Ttl))
            .OfType<KillDeadline>()
            .ToList();
        Host.Holder.Start(worker, start, deadlines);
        worker.In(Micros((within > TimeSpan.Zero ? within : TimeSpan.Zero) + GivesUpAfter), () =>
        {
            if (!start.IsBegun)
            {
                GiveUp(start);
            }
        });
    }

    /// <summary>The holder has answered a start.</summary>
    /// <param name="command">Null = it came too late.</param>
    public void Began(SimStart start, Run run, SimCommand? command)
    {
        if (command is null)
        {
            Answered(start, run);
            worker.Take(new FireEvent.StartedTooLate(run, "it was not started in time"));
        }
        else
        {
            Answer(start, run, Follow(command), null);
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

    /// <summary>A holder has died: what is left of its commands is killed, and what it owed is answered without it.</summary>
    public void Lost(SimHolder holder)
    {
        Host.KillOrphans();
        foreach (var start in _starts.Where(start => start.Holder == holder).ToList())
        {
            if (!start.IsBegun)
            {
                GiveUp(start);
                continue;
            }

            foreach (var run in start.Unanswered.ToList())
            {
                var lost = CommandEnding.Lost(Unheard, worker.Wall, worker.Wall);
                Answer(start, run, new RunningCommand(lost), lost);
            }
        }

        foreach (var command in _followed.Values.Where(command => command.Holder == holder).ToList())
        {
            world.Tally("commands lost with their holder");
            Finish(_runs[command.Key], CommandEnding.Lost(Unheard, command.StartedAt, worker.Wall));
        }
    }

    /// <summary>Ends a run that never started.</summary>
    public void End(Run run, RunStatus status, string why)
    {
        _runs.TryAdd(run.Key, run);
        run.Status = status;
        world.Note($"does not start: {status} {why}", Host.Id, run.Key);
        worker.Records.Add(new Ending(recorder.NotStarted(run, status, why, worker.Wall), run));
    }

    /// <summary>The completion of a run stands in etcd.</summary>
    public void Completed(Run run)
    {
        if (_runs.Remove(run.Key))
        {
            worker.Take(new FireEvent.Completed(run));
        }

        Host.Holder.Forget(run.Key);
    }

    private static long Micros(TimeSpan time) => time.Ticks / TimeSpan.TicksPerMicrosecond;

    private void GiveUp(SimStart start)
    {
        start.IsGivenUp = true;
        foreach (var run in start.Unanswered.ToList())
        {
            Began(start, run, null);
        }
    }

    private void Answer(SimStart start, Run run, RunningCommand command, CommandEnding? ending)
    {
        Answered(start, run);
        run.Command = command;
        if (run.IsRunElsewhere)
        {
            run.Command.Kill(Run.RunElsewhere);
        }

        worker.Take(new FireEvent.Started(run, run.Command));
        if (ending is not null)
        {
            Finish(run, ending);
        }
    }

    private void Answered(SimStart start, Run run)
    {
        if (start.Unanswered.Remove(run) && start.Unanswered.Count == 0)
        {
            _starts.Remove(start);
        }
    }

    private void Adopt(SimCommand held)
    {
        var of = held.Run; // What the holder kept of it: as it was claimed.
        var run = new Run(of.Name, of.Job, of.JobRevision, of.Spec, of.ClaimedAt, of.FencingToken, held.Session) { Command = Follow(held) };
        _runs.Add(run.Key, run);
        world.Note("is adopted", Host.Id, run.Key);
        worker.Take(new FireEvent.Adopted(run, held.StartedAt));
        if (held.Ending is { } ending)
        {
            Finish(run, ending);
        }
    }

    private RunningCommand Follow(SimCommand command)
    {
        _followed.Add(command.Key, command);
        return new RunningCommand(
            ++_commands, startTicks: 0, command.StartedAt, (_, reason, grace) => Host.Holder.Kill(command.Key, reason, grace));
    }

    private void Finish(Run run, CommandEnding ending)
    {
        _followed.Remove(run.Key);
        var record = recorder.Ran(run, ending, use: null);
        run.Status = record.Status;
        worker.Records.Add(new Ending(record, run));
        var ended = new FireEvent.Ended(run, ending.EndedAt - ending.StartedAt);
        if (world.Chance(0.02))
        {
            worker.In(world.Seconds(0.001, 0.5), () => worker.Take(ended)); // The thread that reports it may be slower than the record.
        }
        else
        {
            worker.Take(ended);
        }
    }

    /// <summary>What looks at the time now and then: the pulse of the clock check, and the kills of a worker that is cut off.</summary>
    private void Refresh()
    {
        if (world.Now >= _nextPulse)
        {
            _pulse.Ring();
            _nextPulse = world.Now + (2 * RefreshEvery);
        }

        if (worker.Session.HadOne)
        {
            foreach (var command in _followed.Values)
            {
                if (DisconnectKills.FindDeadline(_runs[command.Key], worker.Session.Current, cluster.Ttl) is { } deadline)
                {
                    command.Holder.KillAfter(deadline);
                }
            }
        }

        worker.In(RefreshEvery, Refresh);
    }
}
