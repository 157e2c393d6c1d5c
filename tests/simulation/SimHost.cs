using Dts.Common.Logs;
using Dts.Worker.Logs;

namespace Dts.Tests.Simulation;

/// <summary>A host, and what on it outlives a worker: clock, disk, holder, and the way to etcd.</summary>
internal sealed class SimHost
{
    public SimHost(SimWorld world, SimServer server, SimWitness witness, string id)
    {
        (Id, Witness) = (id, witness);
        Clock = new SimClock(world);
        Link = new SimLink(world, server);
        Disk = new SimDisk(world);
        Holder = new SimHolder(world, this);
    }

    public string Id { get; }

    public SimWitness Witness { get; }

    public SimClock Clock { get; }

    public SimLink Link { get; }

    public SimDisk Disk { get; }

    public SimHolder Holder { get; set; }

    /// <summary>The commands that go on without a holder.</summary>
    public List<SimCommand> Orphans { get; } = [];

    /// <summary>The process that runs now; null = none does.</summary>
    public SimWorker? Worker { get; set; }

    /// <summary>How many processes it has had.</summary>
    public int Processes { get; set; }

    public void KillOrphans()
    {
        Orphans.ForEach(command => command.Vanish());
        Orphans.Clear();
    }
}

/// <summary>A worker's spool.</summary>
internal sealed class SimDisk(SimWorld world)
{
    private readonly Queue<RunRecord> _spool = new();
    private long _fullUntil;

    public bool IsFull => _fullUntil > world.Now;

    /// <summary>How many records are not shipped yet.</summary>
    public int Waiting => _spool.Count;

    public void Fill(long time) => _fullUntil = Math.Max(_fullUntil, world.Now + time);

    public void Append(RunRecord record) => _spool.Enqueue(record);

    public IReadOnlyList<RunRecord> Peek(int most) => [.. _spool.Take(most)];

    public void Shipped(int count)
    {
        for (; count > 0; count--)
        {
            _spool.Dequeue();
        }
    }
}

/// <summary>The log store.</summary>
internal sealed class SimStore(SimWorld world)
{
    private readonly Dictionary<string, RunRecord> _records = [];
    private long _awayUntil;

    public bool IsAway => _awayUntil > world.Now;

    public IReadOnlyCollection<RunRecord> Records => _records.Values;

    public void GoAway(long time) => _awayUntil = Math.Max(_awayUntil, world.Now + time);

    public void Write(IReadOnlyList<RunRecord> records)
    {
        foreach (var record in records)
        {
            if (!_records.TryGetValue(record.Id, out var former) || record.Replaces(former))
            {
                _records[record.Id] = record;
            }
        }
    }
}
