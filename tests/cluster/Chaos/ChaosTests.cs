using Xunit;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>The promise under every fault; <see cref="ChaosSettings"/> choose how long, and which faults.</summary>
public sealed class ChaosTests
{
    [Fact]
    public Task Whatever_fails_nothing_starts_twice_and_every_planned_time_has_its_ending() =>
        ChaosTrial.RunAsync(NativeProcess.Folder, (nemesis, until, _) => nemesis.RunAsync(until));
}
