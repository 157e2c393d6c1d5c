using Dts.Common.Jobs;

namespace Dts.Worker;

/// <summary>What planning needs of a job; the rest of the definition comes with the claim.</summary>
/// <param name="Revision">The revision of the definition that this was read from.</param>
internal sealed record JobPlan(JobSchedule Schedule, long Revision, bool MayOverlap, TimeSpan StartDeadline);
