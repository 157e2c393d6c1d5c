using Dts.Common.Logs;

namespace Dts.Worker;

/// <summary>A record to be kept.</summary>
/// <param name="Run">The run that it completes, if there was one.</param>
/// <param name="OwedKey">The key that says it is owed, to be deleted when it is kept.</param>
internal sealed record Ending(RunRecord Record, Run? Run, string? OwedKey = null);
