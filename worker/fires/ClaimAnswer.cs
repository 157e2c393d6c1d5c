using Dts.Common.Etcd;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>What etcd said to a claim.</summary>
internal abstract record ClaimAnswer
{
    private ClaimAnswer()
    {
    }

    /// <summary>The fire is this worker's to start.</summary>
    /// <param name="Revision">The claim's revision: the fencing token.</param>
    public sealed record Mine(KeyValue Job, long Revision, LeaseId Session) : ClaimAnswer;

    /// <summary>The fire is over without a run, and this worker records it.</summary>
    /// <param name="Job">Null = it is deleted.</param>
    public sealed record Closed(KeyValue? Job) : ClaimAnswer;

    /// <param name="Place">The cursor, or the key in the queue.</param>
    /// <param name="InTheWay">The keys of the runs of the job that are in flight.</param>
    public sealed record NotMine(KeyValue? Place, KeyValue? Job, IReadOnlyList<string> InTheWay) : ClaimAnswer;

    /// <summary>The cursor, or the key in the queue, only looked at.</summary>
    public sealed record Looked(KeyValue? Place) : ClaimAnswer;

    /// <summary>It has been dealt with, and not by us.</summary>
    public sealed record Gone : ClaimAnswer;

    /// <summary>There was no answer, or the session was not ours any more.</summary>
    /// <param name="MayBeDone">The request may have been carried out.</param>
    /// <param name="IsRefused">etcd refuses the whole request, perhaps because of another claim in it.</param>
    public sealed record Failed(bool MayBeDone, bool IsRefused = false) : ClaimAnswer;
}
