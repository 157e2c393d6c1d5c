using Dts.Common.Shell;

namespace Dts.Common.Jobs;

/// <summary>What a worker says of itself under workers/, as long as its session lasts.</summary>
/// <param name="Address">Its first IPv4 address that is not loopback: what the original lists.</param>
/// <param name="Slots">How many runs at a time.</param>
public sealed record WorkerRegistration(string Host, string Address, string Version, ProcessIdentity Process, int Slots, DateTimeOffset Started);
