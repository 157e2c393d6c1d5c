using System.Diagnostics;
using Dts.Common.Jobs;

namespace Dts.Tests.Simulation;

/// <summary>A whole cluster on one thread: it starts, is harmed for a while, has time to recover, comes to rest, and is judged.</summary>
internal sealed record SimRun(int Seed)
{
    private const long StartsWithin = 3 * SimWorld.Second;
    private const long Recovers = 75 * SimWorld.Second;
    private const long RestoreTakes = 120 * SimWorld.Second; // Until runs that a snapshot has brought back are declared lost.
    private const long Rests = 150 * SimWorld.Second;
    private const int LongestSeconds = 24 * 3600;

    public int Workers { get; init; } = 3;

    public IReadOnlyList<Job> Jobs { get; init; } = SimJobs.MakeAll(everySecond: 6);

    /// <summary>The faults to inject; empty = none.</summary>
    public IReadOnlyList<string> Faults { get; init; } = [];

    /// <summary>The mean time between two faults.</summary>
    public double FaultEverySeconds { get; init; } = 2.5;

    /// <summary>For how long it is harmed, at least.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>It is harmed until so many runs have started.</summary>
    public int Fires { get; init; }

    /// <summary>The job whose latest events are kept; null = none are.</summary>
    public string? Traced { get; init; }

    /// <summary>The promise that the product breaks on purpose; null = none.</summary>
    public string? Broken { get; init; }

    public Verdict Run()
    {
#if SABOTAGE
        Dts.Worker.Sabotage.Chosen = Broken;
        try
        {
            return RunWhole();
        }
        finally
        {
            Dts.Worker.Sabotage.Chosen = null;
        }
#else
        return RunWhole();
#endif
    }

    private Verdict RunWhole()
    {
        var begun = Stopwatch.GetTimestamp();
        var world = new SimWorld(Seed);
        world.Trace.Job = Traced;
        var cluster = new SimCluster(world, Workers) { LosesRecords = Broken == "spool" };
        foreach (var host in cluster.Hosts)
        {
            host.Clock.Set(0);
            world.Do(world.Between(0, 500 * SimWorld.Ms), () => cluster.Start(host));
        }

        SaveAll(cluster);
        world.RunUntil(StartsWithin);
        var from = world.Time;
        if (Faults.Count > 0)
        {
            cluster.Nemesis = new SimNemesis(world, cluster, Jobs, Faults);
            cluster.Nemesis.Start(FaultEverySeconds);
        }

        Harm(world, cluster);
        Recover(world, cluster);
        var to = world.Time;
        foreach (var job in Jobs)
        {
            cluster.Operator.Enable(JobName.Parse(job.Name), enabled: false);
        }

        world.RunUntil(world.Now + Rests);
        return new Verdict(Seed, SimJudge.FindFaults(cluster, Jobs, from, to))
        {
            Starts = cluster.Witness.StartCount,
            Records = cluster.Store.Records.Count,
            Events = world.Count,
            Requests = cluster.Server.Requests,
            Digest = world.Trace.Digest,
            Lines = [.. world.Trace.Lines],
            Tallies = world.Tallies,
            Simulated = SimWorld.At(world.Now) - SimWorld.Epoch,
            Took = Stopwatch.GetElapsedTime(begun),
        };
    }

    private void Harm(SimWorld world, SimCluster cluster)
    {
        world.RunUntil(StartsWithin + (Time.Ticks / TimeSpan.TicksPerMicrosecond));
        for (var seconds = 0; cluster.Witness.StartCount < Fires && seconds < LongestSeconds; seconds++)
        {
            world.RunUntil(world.Now + SimWorld.Second);
        }

        cluster.Nemesis?.Stop();
    }

    private void SaveAll(SimCluster cluster)
    {
        foreach (var job in Jobs)
        {
            cluster.Operator.Save(job);
        }
    }

    private void Recover(SimWorld world, SimCluster cluster)
    {
        if (cluster.Nemesis is { } nemesis)
        {
            world.RunUntil(world.Now + (30 * SimWorld.Second)); // What was begun is over by then.
            while (cluster.Server.IsToBeRestored)
            {
                world.RunUntil(world.Now + SimWorld.Second);
            }

            nemesis.Mend();
            SaveAll(cluster); // As at first, whatever was done to them.
        }

        var recovers = cluster.Server.Losses.Count > 0 ? Recovers + RestoreTakes : Recovers;
        world.RunUntil(world.Now + (Faults.Count > 0 ? recovers : SimWorld.Second));
    }
}

/// <summary>What came of a simulation.</summary>
/// <param name="Faults">What is wrong; empty = all is as it must be.</param>
internal sealed record Verdict(int Seed, IReadOnlyList<string> Faults)
{
    public int Starts { get; init; }

    public int Records { get; init; }

    public long Events { get; init; }

    public long Requests { get; init; }

    /// <summary>Of all that happened: equal runs have equal digests.</summary>
    public ulong Digest { get; init; }

    /// <summary>The latest events of the job that was traced.</summary>
    public IReadOnlyList<string> Lines { get; init; } = [];

    /// <summary>What was done to the cluster and what it went through, and how often.</summary>
    public IReadOnlyDictionary<string, long> Tallies { get; init; } = new Dictionary<string, long>();

    /// <summary>How much time has passed in the simulation.</summary>
    public TimeSpan Simulated { get; init; }

    public TimeSpan Took { get; init; }
}
