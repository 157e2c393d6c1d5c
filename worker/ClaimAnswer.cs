using Dts.Common.Etcd;
using Dts.Common.Etcd.Wire;

namespace Dts.Worker;

/// <summary>What etcd said to a claim.</summary>
internal abstract record ClaimAnswer
{
    private ClaimAnswer()
    {
    }

    /// <summary>The fire is this worker's to start.</summary>
    /// <param name="OldCursor">The cursor it replaced.</param>
    /// <param name="Revision">The claim's revision: the fencing token.</param>
    public sealed record Mine(KeyValue Job, KeyValue? OldCursor, long Revision, LeaseId Session) : ClaimAnswer;

    /// <summary>The fire is over without a run, and this worker records it.</summary>
    /// <param name="What">Why: <see cref="Common.Jobs.Cursor.Skipped"/> or <see cref="Common.Jobs.Cursor.Missed"/>.</param>
    public sealed record Closed(KeyValue Job, KeyValue? OldCursor, string What) : ClaimAnswer;

    /// <param name="InTheWay">Runs of the job are in flight.</param>
    public sealed record NotMine(KeyValue? Cursor, KeyValue? Job, bool InTheWay) : ClaimAnswer;

    /// <summary>The cursor, only looked at.</summary>
    public sealed record Looked(KeyValue? Cursor) : ClaimAnswer;

    /// <summary>There was no answer, or the session was not ours any more.</summary>
    /// <param name="MayBeDone">The request may have been carried out.</param>
    public sealed record Failed(bool MayBeDone) : ClaimAnswer;
}
