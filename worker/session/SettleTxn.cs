using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Runs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Worker.Sessions;

/// <summary>The transactions of <see cref="SettleAction"/>, made from values alone.</summary>
internal static class SettleTxn
{
    public static TxnRequest MoveToSession(SettleAction.MoveToSession moved, LeaseId session)
    {
        var claim = moved.Claim with { Session = session.ToString() };
        return IfUnchanged(moved.Pair)
            .Then(Txn.Put(moved.Key, JsonSerializer.Serialize(claim, JobsJson.Readable.ClaimedRun)));
    }

    /// <summary>Reads what <see cref="EndLost"/> needs: the job's definition and the kill requests that cover the run.</summary>
    /// <param name="jobRevision">The revision to read the definition at; 0 = the latest.</param>
    public static TxnRequest AskAbout(Keys keys, SettleAction.EndLost lost, long jobRevision) => Txn.All([
        Txn.Get(keys.Job(lost.Name), jobRevision),
        Txn.Get(keys.Killer(lost.Name)),
        Txn.Get(keys.Killer(lost.Name, lost.Claim.Run.Id))]);

    /// <summary>Deletes the run, queues its follow-ups, and puts its ending as owed until it is recorded.</summary>
    /// <remarks>If the run's worker turns out to be alive, the true ending replaces this one.</remarks>
    /// <param name="asked">The answer to <see cref="AskAbout"/>.</param>
    /// <param name="session">The session of this worker, which is to record the ending.</param>
    public static LostEnding EndLost(Keys keys, SettleAction.EndLost lost, TxnResponse asked, LeaseId session, DateTimeOffset now)
    {
        var (pair, name, claim, why) = lost;
        var owed = new OwedEnding(
            claim.Worker,
            session.ToString(),
            claim.Run,
            RunStatus.Lost,
            $"worker {claim.Worker} lost: {why}",
            now,
            Token: pair.CreateRevision);
        var found = asked.Responses.Select(response => response.ResponseRange.Kvs.FirstOrDefault()).ToList();
        var wasKilled = found.Skip(1).Any(request => request?.ModRevision > pair.CreateRevision);
        var next = found[0] is { } definition && JobJson.TryParse(definition.Value.Memory, out var job, out _)
            ? FollowUps.After(name, job, claim.Run, RunStatus.Lost, claim.Worker, wasKilled, now, chance: 0)
            : [];
        var queued = next.Select(follow => Txn.Put(
            keys.Queued(follow.Job, follow.Run.Id), JsonSerializer.Serialize(follow.Run, JobsJson.Readable.RunSpec)));
        var end = IfUnchanged(pair).Then([
            Txn.Delete(lost.Key),
            Txn.Put(keys.Owed(name, claim.Run.Id), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding)),
            .. queued]);
        return new LostEnding(end, found[0], owed);
    }

    public static TxnRequest Remove(KeyValue pair) => IfUnchanged(pair).Then(Txn.Delete(pair.Key.ToStringUtf8()));

    public static TxnRequest RemoveCursor(SettleAction.RemoveCursor old) =>
        old.History is { } history ? Remove(old.Pair).Then(Txn.Delete(history)) : Remove(old.Pair);

    private static TxnRequest IfUnchanged(KeyValue pair) => Txn.If(Txn.Unchanged(pair.Key.ToStringUtf8(), pair.ModRevision));

    /// <param name="Definition">The job's definition; null = the job is gone.</param>
    public readonly record struct LostEnding(TxnRequest Request, KeyValue? Definition, OwedEnding Owed);
}
