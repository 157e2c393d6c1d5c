using Dts.Common.Jobs;

namespace Dts.Worker;

/// <summary>What the claimer asks of the launcher.</summary>
internal abstract record RunOrder
{
    private RunOrder()
    {
    }

    /// <summary>Start this at its plan time.</summary>
    public sealed record Start(Run Run) : RunOrder;

    /// <summary>Do not start what was claimed before this revision.</summary>
    public sealed record Cancel(JobName Name, long Revision, string Why) : RunOrder;

    /// <summary>End what was claimed before this revision.</summary>
    /// <param name="RunId">Empty = all runs of the job.</param>
    public sealed record Kill(JobName Name, string RunId, long Revision) : RunOrder;

    /// <summary>Time has passed.</summary>
    public sealed record Tick : RunOrder;
}
