using Dts.Common.Jobs;
using Dts.Worker.Runs;
using Mvccpb;

namespace Dts.Worker.Sessions;

/// <summary>One decision of <see cref="Settlement"/>, performed by <see cref="Settler"/>.</summary>
internal abstract record SettleAction
{
    private SettleAction(string key) => Key = key;

    private SettleAction(KeyValue pair)
        : this(pair.Key.ToStringUtf8())
    {
    }

    /// <summary>The etcd key that the decision is about.</summary>
    public string Key { get; }

    /// <summary>This worker holds the run, which it claimed under a former session: the key is written under the present one.</summary>
    public sealed record MoveToSession(KeyValue Pair, ClaimedRun Claim, Run Run) : SettleAction(Pair);

    /// <summary>Nobody follows the run: it ends as lost, and its follow-ups are queued.</summary>
    public sealed record EndLost(KeyValue Pair, JobName Name, ClaimedRun Claim, string Why) : SettleAction(Pair);

    /// <summary>Others ended the run as lost, but its command goes on here: its true ending will replace theirs.</summary>
    public sealed record GoOn(string Key, Run Run) : SettleAction(Key);

    /// <summary>Others ended the run as lost and queued it again, but its command goes on here: the command is killed.</summary>
    public sealed record KillHere(string Key, Run Run) : SettleAction(Key);

    /// <summary>The worker that decided an ending did not record it: this one does.</summary>
    public sealed record RecordOwed(KeyValue Pair, JobName Name, OwedEnding Owed) : SettleAction(Pair);

    /// <summary>DTS cannot read the key or its value, which would block the job.</summary>
    public sealed record RemoveUnreadable(KeyValue Pair, string Why) : SettleAction(Pair);

    /// <summary>No run that the kill request covers is in flight any more.</summary>
    public sealed record RemoveKillRequest(KeyValue Pair) : SettleAction(Pair);

    /// <summary>The cursor's job, or the cursor's worker of a job in mode all, has been gone for a day.</summary>
    /// <param name="History">The key of the job's history, which goes with it; null = the job exists.</param>
    public sealed record RemoveCursor(KeyValue Pair, string? History) : SettleAction(Pair);
}
