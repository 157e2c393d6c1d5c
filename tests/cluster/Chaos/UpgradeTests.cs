using Xunit;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>
/// A rolling upgrade, and the way back, under faults: <c>make test-upgrade</c>. UPGRADE_FROM is the folder with the executables of the
/// previous version.
/// </summary>
public sealed class UpgradeTests
{
    private static readonly string Previous = ChaosSettings.Read("UPGRADE_FROM", "");

    [Fact(Explicit = true)]
    public Task A_cluster_is_upgraded_and_taken_back_under_faults_and_keeps_its_promises()
    {
        foreach (var name in new[] { "dts-master", "dts-worker" })
        {
            var former = Path.Combine(Previous, name);
            Assert.True(File.Exists(former), $"there is no {former}; run this test with make test-upgrade");
            Assert.False(
                File.ReadAllBytes(former).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(NativeProcess.Folder, name))),
                $"{former} is the present version; name an earlier commit: make test-upgrade PREVIOUS=commit");
        }

        return ChaosTrial.RunAsync(Previous, UpAndDownAsync);
    }

    /// <summary>Upgrades one process after the other, in any order, then takes all back; faults fill the time between.</summary>
    private static async Task UpAndDownAsync(Nemesis nemesis, DateTimeOffset until, ChaosCluster cluster)
    {
        var random = new Random(ChaosSettings.Seed);
        var all = Enumerable.Range(0, ChaosCluster.Workers).Select(ChaosCluster.Worker)
            .Concat(Enumerable.Range(0, ChaosCluster.Masters).Select(ChaosCluster.Master))
            .ToArray();
        (string Host, string Folder, string Name)[] steps =
        [
            .. Shuffled(NativeProcess.Folder, "the new version"),
            .. Shuffled(Previous, "the previous version"),
        ];
        var begun = DateTimeOffset.UtcNow;
        for (var n = 0; n < steps.Length; n++)
        {
            var (host, folder, name) = steps[n];
            await nemesis.ReplaceAsync(host, folder, name, isKilled: random.Next(2) == 0);
            await nemesis.HarmAsync(begun + ((until - begun) * (n + 1) / steps.Length));
        }

        await nemesis.RunAsync(until);

        IEnumerable<(string, string, string)> Shuffled(string folder, string name)
        {
            random.Shuffle(all);
            return all.Select(host => (host, folder, name)).ToList();
        }
    }
}
