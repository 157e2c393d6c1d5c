namespace Dts.Common.Jobs;

/// <summary>A run that has not ended, as the API shows it.</summary>
/// <param name="Worker">Who holds it; empty = it waits in the queue.</param>
/// <param name="Claimed">Null = it waits in the queue.</param>
/// <param name="IsKillAsked">Its end has been asked for.</param>
public sealed record RunInSight(string JobName, string RunId, RunSpec Run, string Worker, DateTimeOffset? Claimed, bool IsKillAsked);
