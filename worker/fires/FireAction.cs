using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Runs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>An action that <see cref="FireLoop"/> performs, in the order of the list.</summary>
internal abstract record FireAction
{
    private FireAction()
    {
    }

    /// <summary>Ask etcd, and report the answer as <see cref="FireEvent.Answered"/>.</summary>
    public sealed record Ask(FireRequest Request) : FireAction;

    /// <summary>Ask etcd to end the run that a fire replaces.</summary>
    public sealed record RequestEnd(Fire Fire, TxnRequest Txn) : FireAction;

    /// <summary>Prepare commands before their start, and report <see cref="FireEvent.Prepared"/> at once.</summary>
    public sealed record Prepare(IReadOnlyList<Run> Runs) : FireAction;

    /// <summary>Start prepared commands together.</summary>
    /// <param name="Patience">How long the start may take. A command that has not started by then never does.</param>
    public sealed record Start(IReadOnlyList<Run> Runs, TimeSpan Patience) : FireAction;

    /// <summary>
    /// Ask the holders of these users whether they are there: their commands start a few milliseconds from now. Unused for a second, code
    /// and data leave the processor's caches.
    /// </summary>
    public sealed record WarmUp(IReadOnlyCollection<string> Users) : FireAction;

    /// <summary>Undo the preparation of a run that does not start.</summary>
    public sealed record Drop(Run Run) : FireAction;

    /// <summary>Undo the preparation of a run whose start came too late and is tried again.</summary>
    public sealed record DropToRetry(Run Run, string Why) : FireAction;

    /// <param name="Revision">The revision of the kill request; 0 = another fire of the job replaces the run.</param>
    public sealed record Kill(Run Run, string Reason, long Revision) : FireAction;

    /// <summary>Record the ending of a claimed run that did not start.</summary>
    public sealed record RecordNotStarted(Run Run, RunStatus Status, string Why) : FireAction;

    /// <summary>Record an ending that a claim of ours has put into etcd.</summary>
    /// <param name="Job">The job's definition; null = it is deleted.</param>
    public sealed record RecordOwed(JobName Name, KeyValue? Job, OwedEnding Owed) : FireAction;

    public sealed record AnnounceReady(int Jobs) : FireAction;

    public sealed record LogScheduleEnded(JobName Name) : FireAction;

    public sealed record LogCursorReplaced(string Key, string Value) : FireAction;
}

/// <summary>A transaction that asks etcd about fires, which are <see cref="FireState.Asking"/> until its answer comes.</summary>
/// <param name="IsRepeatable">It may be sent again when its answer is lost.</param>
internal abstract record FireRequest(IReadOnlyList<Fire> Fires, TxnRequest Txn, bool IsRepeatable)
{
    /// <returns>One answer for each fire.</returns>
    public abstract IReadOnlyList<ClaimAnswer> Read(TxnResponse answer);

    /// <summary>What it means for each fire that the request failed.</summary>
    public virtual ClaimAnswer Read(EtcdError error) => new ClaimAnswer.Failed(MayBeDone: false);

    /// <summary>Reads where fires stand, before they are claimed.</summary>
    public sealed record Look(IReadOnlyList<Fire> Fires, TxnRequest Txn) : FireRequest(Fires, Txn, IsRepeatable: true)
    {
        public override IReadOnlyList<ClaimAnswer> Read(TxnResponse answer) =>
            [.. answer.Responses.Select(response => new ClaimAnswer.Looked(response.ResponseRange.Kvs.FirstOrDefault()))];
    }

    /// <summary>Creates the cursor of a fire, and reads it.</summary>
    public sealed record CreateCursor(Fire Fire, TxnRequest Txn) : FireRequest([Fire], Txn, IsRepeatable: true)
    {
        public override IReadOnlyList<ClaimAnswer> Read(TxnResponse answer) =>
            [new ClaimAnswer.Looked(answer.Responses[^1].ResponseRange.Kvs.FirstOrDefault())];
    }

    public sealed record Claim(IReadOnlyList<Fire> Fires, TxnRequest Txn, LeaseId Session) : FireRequest(Fires, Txn, IsRepeatable: false)
    {
        public override IReadOnlyList<ClaimAnswer> Read(TxnResponse answer) => answer.Succeeded
            ? [.. answer.Responses.Select(claim => ClaimTxn.Read(claim.ResponseTxn, answer.Header.Revision, Session))]
            : [.. Fires.Select(_ => new ClaimAnswer.Failed(MayBeDone: false))];

        public override ClaimAnswer Read(EtcdError error) =>
            new ClaimAnswer.Failed(MayBeDone: error == EtcdError.Unavailable, IsRefused: error == EtcdError.Refused);
    }

    /// <summary>Finds out what a claim whose answer was lost has done: reads the run and the owed ending that it may have put.</summary>
    public sealed record Recover(Fire Fire, TxnRequest Txn, string Worker, LeaseId Session) : FireRequest([Fire], Txn, IsRepeatable: true)
    {
        // The reaper reports and removes values that cannot be read.
        public override IReadOnlyList<ClaimAnswer> Read(TxnResponse answer) =>
        [
            Found(answer, 0) is { } run && Documents.TryReadInFlight(Fire.RunId, run.Value.Span, out var claimed, out _)
                && IsOurs(claimed.Worker, claimed.Session)
                ? Found(answer, 2) is { } job && job.ModRevision < run.CreateRevision
                    ? new ClaimAnswer.Mine(job, run.CreateRevision, Session)
                    : new ClaimAnswer.WasGranted(run.CreateRevision, Session)
            : Found(answer, 1) is { } pair && Documents.TryReadOwed(Fire.RunId, pair.Value.Span, out var owed, out _)
                && IsOurs(owed.Worker, owed.Session)
                ? new ClaimAnswer.Closed(Found(answer, 2), owed)
                : new ClaimAnswer.Gone(),
        ];

        public override ClaimAnswer Read(EtcdError error) => new ClaimAnswer.Failed(MayBeDone: true);

        private bool IsOurs(string worker, string session) => worker == Worker && session == Session.ToString();

        private static KeyValue? Found(TxnResponse answer, int index) => answer.Responses[index].ResponseRange.Kvs.FirstOrDefault();
    }

    /// <summary>Reads the job as it was when a claim whose answer was lost was granted.</summary>
    public sealed record ReadJob(Fire Fire, TxnRequest Txn, ClaimAnswer.WasGranted Granted) : FireRequest([Fire], Txn, IsRepeatable: true)
    {
        public override IReadOnlyList<ClaimAnswer> Read(TxnResponse answer) =>
        [
            answer.Responses[0].ResponseRange.Kvs is [var job]
                ? new ClaimAnswer.Mine(job, Granted.Revision, Granted.Session)
                : new ClaimAnswer.Gone(), // etcd has other data since.
        ];

        // Compacted: the job's history is gone. The worker ends the run as lost within a minute or two (Settlement).
        public override ClaimAnswer Read(EtcdError error) =>
            error == EtcdError.Compacted ? new ClaimAnswer.Gone() : new ClaimAnswer.Failed(MayBeDone: true);
    }
}
