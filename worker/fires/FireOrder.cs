using Dts.Common.Jobs;
using Dts.Worker.Runs;
using Dts.Worker.Watches;

namespace Dts.Worker.Fires;

/// <summary>What the scheduler asks of the claimer.</summary>
internal abstract record FireOrder
{
    private FireOrder()
    {
    }

    /// <summary>Claim this.</summary>
    public sealed record Claim(Fire Fire) : FireOrder;

    /// <summary>The job is gone as of a revision: forget its fires, cancel what was claimed before and has not started.</summary>
    public sealed record Withdraw(JobName Name, long Revision, string Why) : FireOrder;

    /// <summary>A worker has joined or has new labels, and may run fires that no worker matched before.</summary>
    public sealed record Matched(string Worker, IReadOnlyDictionary<string, string> Labels) : FireOrder;

    /// <summary>A run has left the queue.</summary>
    public sealed record Taken(JobName Name, string RunId) : FireOrder;

    public sealed record Kill(JobName Name, KillRequest Request, long Revision) : FireOrder;

    /// <summary>See <see cref="RunOrder.OtherData"/>.</summary>
    public sealed record OtherData : FireOrder;

    public sealed record Beat(Pulse Pulse) : FireOrder;

    /// <summary>Time has passed, or an answer has come.</summary>
    public sealed record Tick : FireOrder;
}
