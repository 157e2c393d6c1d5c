using Dts.Common.Jobs;
using Dts.Worker.Watches;

namespace Dts.Worker.Runs;

/// <summary>What the claimer asks of the launcher.</summary>
internal abstract record RunOrder
{
    private RunOrder()
    {
    }

    /// <summary>Start this when its time has come.</summary>
    public sealed record Start(Run Run) : RunOrder;

    /// <summary>Do not start what was claimed before this revision.</summary>
    public sealed record Cancel(JobName Name, long Revision, string Why) : RunOrder;

    /// <summary>End what was claimed before this revision.</summary>
    public sealed record Kill(JobName Name, KillRequest Request, long Revision) : RunOrder;

    /// <summary>etcd was restored or wiped: cancellations and kills of its former data are over.</summary>
    public sealed record OtherData : RunOrder;

    public sealed record Beat(Pulse Pulse) : RunOrder;

    /// <summary>Time has passed.</summary>
    public sealed record Tick : RunOrder;
}
