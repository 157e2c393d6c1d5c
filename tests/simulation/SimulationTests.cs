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

    /// <summary>docs/guarantees.md, "etcd loses its data", says what is not promised then; all else is.</summary>
    [Fact]
    public void After_a_restore_of_etcd_all_that_its_snapshot_knew_goes_on()
    {
        var all = Enumerable.Range(FirstSeed, Seeds / 3)
            .Select(seed => new SimRun(seed) { Faults = [.. SimNemesis.All, .. Enumerable.Repeat(SimNemesis.Restore, 4)] })
            .ToList();
        var verdicts = all.Select(simulation => Run(simulation)).ToList();

        Assert.Contains(verdicts, verdict => verdict.Tallies.ContainsKey("etcd restored"));
        Assert.Contains(verdicts, verdict => verdict.Tallies.ContainsKey("etcd restored with later revisions"));
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
            var faults = (kept with { Broken = promise }).Run().Faults;
            if (faults.Count > 0 && kept.Run().Faults.Count == 0)
            {
                TestContext.Current.TestOutputHelper?.WriteLine(
                    $"without its {promise}: {faults.Count} faults, found by seed {seed - FirstSeed + 1}: {faults[0]}");
                return;
            }
        }

        Assert.Fail($"without its {promise} nothing was found by {SeedsToFind} seeds from {FirstSeed} on: the judge is blind");
    }
#endif

    /// <summary>A failing seed is run again, to tell what became of the job concerned.</summary>
    /// <param name="again">The command that repeats it; null = this test does.</param>
    internal static Verdict Run(SimRun simulation, string? again = null)
    {
        var verdict = Say(simulation.Run());
        if (verdict.Faults.Count > 0)
        {
            var job = verdict.Faults[0].Split('/', ':', ' ')[0];
            var traced = (simulation with { Traced = job }).Run();
            again ??= $"SIM_SEED={verdict.Seed} SIM_SEEDS=1 make test-fast ARGS='-class {typeof(SimulationTests)}'";
            Assert.Fail(
                $"{verdict.Faults.Count} faults, seed {verdict.Seed}:\n{string.Join('\n', verdict.Faults.Take(20))}\n"
                    + $"--- the last events of {job}\n{string.Join('\n', traced.Lines)}\n"
                    + $"--- again: {again}");
        }

        return verdict;
    }

    internal static int Read(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    internal static Verdict Say(Verdict verdict)
    {
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"seed {verdict.Seed}: {verdict.Starts} runs, {verdict.Records} records, {verdict.Events} events, "
                + $"{verdict.Requests} requests to etcd, {verdict.Took.TotalSeconds:F1} s"
                + $"{(verdict.Faults.Count > 0 ? $", {verdict.Faults.Count} faults: {verdict.Faults[0]}" : "")}"));
        return verdict;
    }
}
