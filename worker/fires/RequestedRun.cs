using Dts.Common.Jobs;
using Dts.Worker.Commands;

namespace Dts.Worker.Fires;

/// <summary>A run in the queue.</summary>
internal sealed class RequestedRun(JobName name, RunSpec run, long revision) : ITimed
{
    public JobName Name { get; } = name;

    public RunSpec Run { get; } = run;

    public long Revision { get; } = revision;

    /// <summary>The inputs of its last fire; null = none yet.</summary>
    public Situation? Situation { get; set; }

    public TimerWheel<ITimed>.Entry? Timer { get; set; }
}

internal sealed record Situation(
    bool IsOurs, int Rank, bool NobodyMatches, string HandTo, string? Unplanned, Target Target, JobMode Mode)
{
    public static Situation Of(Fire fire, bool isOurs) => new(
        isOurs, fire.Rank, fire.NobodyMatches, string.Join(' ', fire.HandTo), fire.Unplanned, fire.Plan.Target, fire.Plan.Mode);
}
