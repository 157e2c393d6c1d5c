using Xunit;

namespace Dts.Tests.Simulation;

/// <summary>
/// The simulation for long: <c>make simulate FIRES=1000000 SEED=7</c> goes on, seed after seed, until so many runs have started; with
/// <c>SEEDS=100</c> each of so many seeds has its share of them. One seed in ten also has an etcd that is restored from snapshots.
/// </summary>
public sealed class LongSimulation
{
    private const int EverySecond = 150;
    private const int RestoresOneIn = 10;

    private static readonly TimeSpan Harmed = TimeSpan.FromMinutes(9);

    [Fact(Explicit = true)]
    public void Whatever_fails_the_promises_hold()
    {
        var (fires, seeds) = (SimulationTests.Read("SIM_FIRES", 1_000_000), SimulationTests.Read("SIM_SEEDS", 0));
        var summary = new SimSummary();
        SimRun? failed = null;
        for (var seed = SimulationTests.Read("SIM_SEED", 1); seeds > 0 ? summary.Seeds < seeds : summary.Runs < fires; seed++)
        {
            var simulation = new SimRun(seed)
            {
                Workers = 5,
                Jobs = SimJobs.MakeAll(EverySecond),
                Faults = seed % RestoresOneIn == 0 ? SimNemesis.AllAndRestore : SimNemesis.All,
                Time = seeds > 0 ? TimeSpan.Zero : Harmed,
                Fires = seeds > 0 ? fires / seeds : 0,
            };
            var verdict = SimulationTests.Say(simulation.Run());
            summary.Add(verdict);
            failed ??= verdict.Faults.Count > 0 ? simulation : null;
        }

        TestContext.Current.TestOutputHelper?.WriteLine(summary.ToString());
        if (failed is not null)
        {
            var share = seeds > 0 ? $"FIRES={failed.Fires} SEEDS=1" : "FIRES=1";
            SimulationTests.Run(failed, again: $"make simulate {share} SEED={failed.Seed}");
        }
    }

    /// <summary>How quick a cluster is that nothing harms.</summary>
    [Fact(Explicit = true)]
    public void Fires_a_second() => SimulationTests.Run(
        new SimRun(SimulationTests.Read("SIM_SEED", 1)) { Workers = 5, Jobs = SimJobs.Make(1000), Time = TimeSpan.FromSeconds(100) });
}
