using Dts.Common.Jobs;
using Dts.Worker.Fires;

namespace Dts.Tests.Simulation;

/// <summary>Lies in wait for an action of one worker, and harms it between two instructions.</summary>
internal sealed class SimStrike(SimWorld world, SimCluster cluster, SimMeddler meddler, IReadOnlyList<Job> jobs)
{
    private static readonly string[] Meddling = ["pause", "delete", "kill-job", "kill-run", "edit", "run"];

    private Func<FireAction, bool>? _waitsFor;
    private SimHost? _victim;

    public void Arm(SimHost host)
    {
        _victim = host;
        _waitsFor = world.Random.Next(5) switch
        {
            0 or 1 => action => action is FireAction.Ask { Request: FireRequest.Claim },
            2 => action => action is FireAction.Start,
            3 => action => action is FireAction.Prepare or FireAction.RecordOwed,
            _ => action => action is FireAction.RecordNotStarted or FireAction.Kill or FireAction.RecordOwed,
        };
    }

    public void Disarm() => (_waitsFor, _victim) = (null, null);

    /// <summary>Whether the process stops just before an action, for a while or for good.</summary>
    public bool Strikes(FireAction action, SimWorker worker)
    {
        if (_waitsFor is null || worker.Host != _victim || !_waitsFor(action))
        {
            return false;
        }

        _waitsFor = null;
        if (action is not FireAction.Ask { Request: FireRequest.Claim claim })
        {
            return Strike(world.Random.Next(3), worker);
        }

        if (world.Chance(0.75))
        {
            return Strike(world.Random.Next(6), worker);
        }

        Meddle(world.OneOf(claim.Fires).Name, worker.Host);
        return false;
    }

    /// <summary>While a claim is on its way, or its run waits for its time, people change its job, and change it again.</summary>
    private void Meddle(JobName name, SimHost host)
    {
        var job = jobs.First(each => each.Name == name.Value);
        foreach (var within in (long[])[3 * SimWorld.Ms, SimWorld.Second])
        {
            var kind = world.OneOf(Meddling);
            Note($"its claim meets {kind}", host);
            world.Do(world.Now + world.Between(0, within), () => meddler.TryMeddle(kind, job));
        }
    }

    private bool Strike(int kind, SimWorker worker)
    {
        var host = worker.Host;
        switch (kind)
        {
            case 0:
                Note("is stalled before an action", host);
                worker.Stall(world.Seconds(1, 25));
                return true;
            case 1:
                Note("is killed before an action", host);
                cluster.KillForAWhile(host, world.Seconds(1, 8));
                return true;
            case 2:
                Note("is cut off at an action", host);
                host.Link.Cut(world.Seconds(0.1, 14), world.Chance(0.5));
                return false;
            case 3:
                Note("loses an answer", host);
                host.Link.LoseAnswer();
                return false;
            case 4:
                Note("loses an answer and dies", host);
                host.Link.LoseAnswer();
                world.Do(world.Now + world.Between(0, 3 * SimWorld.Ms), () => cluster.KillForAWhile(host, world.Seconds(1, 8)));
                return false;
            default:
                Note("sends a request that arrives late", host);
                host.Link.DelayRequest();
                return false;
        }
    }

    private void Note(string what, SimHost host)
    {
        world.Tally($"strike: {what}");
        world.Note($"NEMESIS {what}", host.Id);
    }
}
