using System.Globalization;
using Xunit;

namespace Dts.Tests.Simulation;

/// <summary>
/// The simulation for long: <c>make simulate FIRES=1000000 SEED=7</c>. Seed after seed, until so many runs have started.
/// </summary>
public sealed class LongSimulation
{
    private const int EverySecond = 150;

    private static readonly TimeSpan Harmed = TimeSpan.FromMinutes(9);

    [Fact(Explicit = true)]
    public void Whatever_fails_the_promises_hold()
    {
        var (fires, seed) = (SimulationTests.Read("SIM_FIRES", 1_000_000), SimulationTests.Read("SIM_SEED", 1));
        var (runs, seeds, seconds) = (0L, 0, 0.0);
        for (; runs < fires; seed++, seeds++)
        {
            var verdict = SimulationTests.Run(
                new SimRun(seed) { Workers = 5, Jobs = SimJobs.MakeAll(EverySecond), Faults = SimNemesis.All, Time = Harmed });
            (runs, seconds) = (runs + verdict.Starts, seconds + verdict.Took.TotalSeconds);
        }

        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{runs} runs in {seeds} seeds, {seconds:F0} s: {runs / seconds:F0} runs a second; no faults"));
    }

    /// <summary>How quick a cluster is that nothing harms.</summary>
    [Fact(Explicit = true)]
    public void Fires_a_second() => SimulationTests.Run(
        new SimRun(SimulationTests.Read("SIM_SEED", 1)) { Workers = 5, Jobs = SimJobs.Make(1000), Time = TimeSpan.FromSeconds(100) });
}
