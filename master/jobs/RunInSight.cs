using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>A run that has not ended, as it stands in etcd.</summary>
/// <param name="Worker">Who holds it; empty = it waits in the queue.</param>
/// <param name="Claimed">Null = it waits in the queue.</param>
/// <param name="IsKillAsked">Its end has been asked for.</param>
internal sealed record RunInSight(string JobName, string RunId, RunSpec Run, string Worker, DateTimeOffset? Claimed, bool IsKillAsked);
