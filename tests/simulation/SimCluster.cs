using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Dts.Worker.Runs;

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

    /// <summary>The jobs that workers know when they start: those of the first worker, and of the others. Null = they read etcd.</summary>
    public (IReadOnlyList<FireEvent> All, IReadOnlyList<FireEvent> Due)? JobsAtStart { get; set; }

    /// <summary>The records of runs whose exit code has reached a spool.</summary>
    public HashSet<string> Exited { get; } = [];

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

    public void KillForAWhile(SimHost host, long time)
    {
        Kill(host);
        World.Do(World.Now + time, () => Start(host));
    }

    public void Reboot(SimHost host, long time)
    {
        Kill(host);
        host.KillOrphans();
        ReplaceHolder(host, leavesOrphans: false);
        World.Do(World.Now + time, () => Start(host));
    }

    /// <summary>The process that holds a host's commands dies, and another takes its place.</summary>
    public void ReplaceHolder(SimHost host, bool leavesOrphans)
    {
        var former = host.Holder;
        host.Holder = new SimHolder(World, host);
        former.Die(leavesOrphans);
    }

    /// <summary>A run has the definition that its claim compared.</summary>
    public void CheckDefinition(Run run)
    {
        var etcd = Server.Etcd;
        if (Server.IsJustRestored || run.FencingToken < etcd.Keys.CompactRevision || run.FencingToken > etcd.Revision)
        {
            return;
        }

        var then = etcd.Keys.FindAt(Txn.Bytes(Keys.Job(run.Name)), run.FencingToken);
        if (then?.ModRevision is var had && had != run.JobRevision)
        {
            Faults.Add($"{run.Key} was claimed with the definition of {run.JobRevision}; its job had that of {had}");
        }
    }
}
