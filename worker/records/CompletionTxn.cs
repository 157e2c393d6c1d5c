using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Worker.Runs;
using Etcdserverpb;

namespace Dts.Worker.Records;

/// <summary>The transactions that complete recorded endings, and the reading of their answers. Without I/O.</summary>
internal sealed class CompletionTxn(Keys keys, string workerId)
{
    /// <param name="chance">From 0 to below 1, for the jitter of a retry.</param>
    public IReadOnlyList<(JobName Job, RunSpec Run)> FollowUpsOf(Ending ending, DateTimeOffset now, double chance) =>
        ending.Run is not { } run
            ? []
            : FollowUps.After(
                run.Name, run.Job, run.Spec, run.Status ?? RunStatus.Cancelled, workerId, wasKilled: run.KillRevision > 0, now, chance);

    /// <summary>
    /// Deletes an owed ending; or a run, with its follow-ups, if it is still this worker's: the follow-ups of a run that was declared lost
    /// are queued already.
    /// </summary>
    public RequestOp Complete(Ending ending, IReadOnlyList<(JobName Job, RunSpec Run)> next)
    {
        if (ending.Run is not { } run)
        {
            return Txn.Delete(ending.OwedKey!);
        }

        var key = keys.Run(run.Name, run.Id);
        RequestOp[] owed = ending.OwedKey is { } owedKey ? [Txn.Put(owedKey, Owe(run, ending.Record))] : [];
        var queued = next.Select(follow => Txn.Put(
            keys.Queued(follow.Job, follow.Run.Id), JsonSerializer.Serialize(follow.Run, JobsJson.Readable.RunSpec)));
        return Txn.Nested(Txn.If(Txn.Unchanged(key, run.HeldAt)).Then([Txn.Delete(key), .. owed, .. queued]).Else(Txn.Get(key)));
    }

    /// <summary>False = the run is still this worker's, but its key was written again meanwhile: it is completed again.</summary>
    public bool IsSettled(Run run, TxnResponse answer)
    {
        if (!answer.Succeeded
            && answer.Responses[0].ResponseRange.Kvs.FirstOrDefault() is { } pair && run.IsOf(pair)
            && Documents.TryReadInFlight(run.Id, pair.Value.Span, out var held, out _) && held.Worker == workerId)
        {
            run.MoveToSession(run.Session, pair.ModRevision);
            return false;
        }

        return true;
    }

    /// <summary>Deletes answered kill requests: one for a run at its end, one for a job when no run of it is in flight.</summary>
    public TxnRequest AnswerKills(Run run)
    {
        var answered = Txn.If(Txn.Unchanged(keys.Killer(run.Name), run.KillRevision), Txn.NoneUnder(keys.Runs(run.Name)))
            .Then(Txn.Delete(keys.Killer(run.Name)));
        return Txn.All([Txn.Nested(answered), Txn.Delete(keys.Killer(run.Name, run.Id))]);
    }

    private string Owe(Run run, RunRecord record)
    {
        var owed = new OwedEnding(
            workerId,
            run.Session.ToString(),
            run.Spec,
            record.Status,
            record.Err,
            DateTimeOffset.FromUnixTimeMilliseconds(record.EndTime),
            Token: run.FencingToken);
        return JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding);
    }
}
