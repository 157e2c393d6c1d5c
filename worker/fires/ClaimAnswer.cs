using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>The answer to a request about a fire.</summary>
internal abstract record ClaimAnswer
{
    private ClaimAnswer()
    {
    }

    /// <summary>The claim was granted: this worker starts the fire.</summary>
    /// <param name="Revision">The claim's revision: the fencing token.</param>
    public sealed record Mine(KeyValue Job, long Revision, LeaseId Session) : ClaimAnswer;

    /// <summary>A claim whose answer was lost was granted. The job has changed since, and is still to be read.</summary>
    public sealed record WasGranted(long Revision, LeaseId Session) : ClaimAnswer;

    /// <summary>The request closed the fire without a run, and this worker records its ending.</summary>
    /// <param name="Job">Null = it is deleted.</param>
    /// <param name="Found">The ending, if the request's own answer was lost.</param>
    public sealed record Closed(KeyValue? Job, OwedEnding? Found = null) : ClaimAnswer;

    /// <param name="Key">The cursor, or the key in the queue.</param>
    /// <param name="InTheWay">The keys of the runs of the job that are in flight.</param>
    public sealed record NotMine(KeyValue? Key, KeyValue? Job, IReadOnlyList<string> InTheWay) : ClaimAnswer;

    /// <summary>The answer to a look: the cursor, or the key in the queue.</summary>
    public sealed record Looked(KeyValue? Key) : ClaimAnswer;

    /// <summary>The fire was claimed, and this worker has no run of it.</summary>
    public sealed record Gone : ClaimAnswer;

    /// <summary>There was no answer, etcd refused the request, or the registration no longer has our session's lease.</summary>
    /// <param name="MayBeDone">The request may have been carried out.</param>
    /// <param name="IsRefused">etcd refuses the whole request, perhaps because of another claim in it.</param>
    public sealed record Failed(bool MayBeDone, bool IsRefused = false) : ClaimAnswer;
}
