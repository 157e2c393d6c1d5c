using Dts.Common.Jobs;

namespace Dts.Tests.Simulation;

/// <summary>What the parts of a simulated cluster share.</summary>
internal sealed class SimCluster
{
    public SimCluster(SimWorld world, int workers)
    {
        World = world;
        Server = new SimServer(world);
        Witness = new SimWitness(world);
        Store = new SimStore(world);
        Hosts = [.. Enumerable.Range(0, workers).Select(n => new SimHost(world, Server, Witness, $"w{n}"))];
        Operator = new SimOperator(world, this);
    }

    public SimWorld World { get; }

    public Keys Keys { get; } = new(Keys.DefaultPrefix);

    public TimeSpan ClaimAhead { get; } = TimeSpan.FromMilliseconds(1100);

    public TimeSpan Ttl { get; } = TimeSpan.FromSeconds(10);

    public int Slots { get; init; } = 400;

    /// <summary>Endings are reported as recorded before they are, as <c>Sabotage.OfSpool</c> has it.</summary>
    public bool LosesRecords { get; init; }

    public SimServer Server { get; }

    public SimStore Store { get; }

    public SimWitness Witness { get; }

    public IReadOnlyList<SimHost> Hosts { get; }

    public SimOperator Operator { get; }

    public SimNemesis? Nemesis { get; set; }

    /// <summary>What was seen to be wrong while it ran.</summary>
    public List<string> Faults { get; } = [];

    /// <summary>Starts a worker where none runs. It waits for a holder that does not answer.</summary>
    public void Start(SimHost host)
    {
        if (host.Worker is not null)
        {
            return;
        }

        if (host.Holder.IsStalled)
        {
            World.Do(World.Now + (100 * SimWorld.Ms), () => Start(host));
            return;
        }

        World.Note("is started", host.Id);
        host.Worker = new SimWorker(World, this, host);
        host.Worker.Start();
    }

    public void Kill(SimHost host)
    {
        if (host.Worker is { } worker)
        {
            World.Note("is killed", host.Id);
            host.Worker = null;
            worker.Die();
        }
    }
}
