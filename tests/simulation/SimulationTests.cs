using System.Globalization;
using Xunit;

namespace Dts.Tests.Simulation;

/// <summary>
/// The promises, on whole clusters that are simulated. SIM_SEED chooses the first seed, SIM_SEEDS how many there are.
/// </summary>
public sealed class SimulationTests
{
#if SABOTAGE
    private const int SeedsToFind = 30;

#endif
    private static readonly int FirstSeed = Read("SIM_SEED", 1);
    private static readonly int Seeds = Read("SIM_SEEDS", 12);

    [Fact]
    public void A_cluster_that_nothing_harms_starts_each_fire_once()
    {
        var verdict = Run(new SimRun(FirstSeed));

        Assert.InRange(verdict.Starts, 1000, 10_000);
    }

    [Fact]
    public void Equal_seeds_give_equal_runs()
    {
        var simulation = new SimRun(FirstSeed) { Faults = SimNemesis.All, Time = TimeSpan.FromSeconds(30) };

        Assert.Equal(simulation.Run().Digest, simulation.Run().Digest);
        Assert.NotEqual(simulation.Run().Digest, (simulation with { Seed = FirstSeed + 1 }).Run().Digest);
    }

    [Fact]
    public void Whatever_fails_nothing_starts_twice_and_every_planned_time_has_its_ending()
    {
        var all = Enumerable.Range(FirstSeed, Seeds).Select(seed => new SimRun(seed) { Faults = SimNemesis.All }).ToList();
        var failed = all.Where(simulation => Say(simulation.Run()).Faults.Count > 0).ToList();
        failed.ForEach(simulation => Run(simulation));
    }

#if SABOTAGE
    [Theory]
    [InlineData("cursor")]
    [InlineData("session")]
    [InlineData("spool")]
    [InlineData("turns")]
    [InlineData("backlog")]
    public void A_promise_that_is_broken_is_found(string promise)
    {
        for (var seed = FirstSeed; seed < FirstSeed + SeedsToFind; seed++)
        {
            var kept = new SimRun(seed) { Faults = SimNemesis.All };
            var faults = FindFaults(kept with { Broken = promise });
            if (faults.Count > 0 && kept.Run().Faults.Count == 0)
            {
                TestContext.Current.TestOutputHelper?.WriteLine(
                    $"without its {promise}: {faults.Count} faults, found by seed {seed - FirstSeed + 1}: {faults[0]}");
                return;
            }
        }

        Assert.Fail($"without its {promise} nothing was found by {SeedsToFind} seeds from {FirstSeed} on: the judge is blind");
    }

    /// <summary>A worker that ends by its own check has found a fault, too.</summary>
    private static IReadOnlyList<string> FindFaults(SimRun simulation)
    {
        try
        {
            return simulation.Run().Faults;
        }
        catch (InvalidOperationException failure)
        {
            return [failure.Message];
        }
    }
#endif

    /// <summary>A failing seed is run again, to tell what became of the job concerned.</summary>
    internal static Verdict Run(SimRun simulation)
    {
        var verdict = Say(simulation.Run());
        if (verdict.Faults.Count > 0)
        {
            var job = verdict.Faults[0].Split('/', ':', ' ')[0];
            var again = (simulation with { Traced = job }).Run();
            Assert.Fail(
                $"{verdict.Faults.Count} faults, seed {verdict.Seed}:\n{string.Join('\n', verdict.Faults.Take(20))}\n"
                    + $"--- the last events of {job}\n{string.Join('\n', again.Lines)}\n"
                    + $"--- again: SIM_SEED={verdict.Seed} SIM_SEEDS=1 make test-fast ARGS='-class {typeof(SimulationTests)}'");
        }

        return verdict;
    }

    internal static int Read(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    private static Verdict Say(Verdict verdict)
    {
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"seed {verdict.Seed}: {verdict.Starts} runs, {verdict.Records} records, {verdict.Events} events, "
                + $"{verdict.Requests} requests to etcd, {verdict.Took.TotalSeconds:F1} s"
                + $"{(verdict.Faults.Count > 0 ? $", {verdict.Faults.Count} faults: {verdict.Faults[0]}" : "")}"));
        return verdict;
    }
}
