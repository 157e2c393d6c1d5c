using Dts.Common.Logs;

namespace Dts.Worker;

/// <summary>A record to be kept.</summary>
/// <param name="Run">The run that it completes, if there was one.</param>
/// <param name="OwedKey">
/// The key that says it is owed. Without a run: to be deleted, for the record is kept. With one: to be put with the run's completion, for it is not kept yet.
/// </param>
internal sealed record Ending(RunRecord Record, Run? Run, string? OwedKey = null);
