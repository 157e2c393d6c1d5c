using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Master.Jobs;
using Compare = Etcdserverpb.Compare;
using RequestOp = Etcdserverpb.RequestOp;
using TxnResponse = Etcdserverpb.TxnResponse;

namespace Dts.Master.Alerts;

/// <summary>Reads and writes what etcd has under alerts/.</summary>
/// <remarks>
/// Every master judges. A turn is one transaction on the condition that the state is the one that was judged. So one master wins, and the
/// message is in etcd as soon as the state says that it was made.
/// </remarks>
internal sealed class AlertStore(AlertBoard board, EtcdClient etcd, AlertKeys keys, TimeProvider time)
{
    private const int TriesMax = 10;

    private static readonly TimeSpan TriesAgainAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SendsWithin = TimeSpan.FromSeconds(30); // Twice as long as a channel may take.

    private readonly RequestLease _aDay = new(etcd, time);
    private readonly RequestLease _sending = new(etcd, time, SendsWithin, TimeSpan.FromSeconds(5));

    public IAsyncEnumerable<ChangeBatch> WatchAsync(CancellationToken stop) => new Watch(etcd, keys.All).ReadAsync(stop);

    /// <summary>Decides, and writes the decision. Decides again if another master has changed the state meanwhile.</summary>
    public async Task DecideAsync(Watched watched, Func<AlertCore, AlertStep> decide, CancellationToken stop)
    {
        var known = board.StateOf(watched.Subject);
        for (var tries = 0; tries < TriesMax;)
        {
            var now = time.GetUtcNow();
            var step = decide(new AlertCore(watched.Terms, known.Value, now, board.IsMuted(watched.About, now)));
            if (ReferenceEquals(step.State, known.Value))
            {
                return;
            }

            try
            {
                if (await TryWriteAsync(watched, known.Revision, step, stop) is not { } other)
                {
                    return;
                }

                (known, tries) = (other, tries + 1);
            }
            catch (EtcdException)
            {
                await Task.Delay(TriesAgainAfter, time, stop); // The client has logged it. The state may be written, so it is read again.
                known = board.StateOf(watched.Subject);
            }
        }
    }

    public Task RemoveStateAsync(AlertSubject subject, CancellationToken stop)
    {
        var key = keys.State(subject);
        return etcd.TxnAsync(Txn.If(Txn.Unchanged(key, board.StateOf(subject).Revision)).Then(Txn.Delete(key)), cancel: stop);
    }

    public Task RemoveMuteAsync(string id, CancellationToken stop) => etcd.DeleteAsync(keys.Mutes + id, stop);

    public Task PutProgressAsync(AlertProgress progress, CancellationToken stop) =>
        etcd.PutAsync(keys.Progress, JsonSerializer.Serialize(progress, AlertJson.Readable.AlertProgress), cancel: stop);

    /// <summary>Claims the next check of the ledger; false = it is not due, or another master has just claimed it.</summary>
    public async Task<bool> TryClaimLedgerAsync(DateTimeOffset now, CancellationToken stop)
    {
        var known = board.LedgerChecked;
        var mark = now.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        return AlertLedger.IsDue(known.Value, now)
            && (await etcd.TxnAsync(Txn.If(IsStill(keys.Ledger, known.Revision)).Then(Txn.Put(keys.Ledger, mark)), cancel: stop)).Succeeded;
    }

    /// <summary>Claims a message of the outbox; false = another master sends it, or has sent it.</summary>
    public Task<bool> TryClaimAsync(Stored<AlertMessage> message) => _sending.UseAsync(
        async lease => (await etcd.TxnAsync(
            Txn.If(Txn.Unchanged(keys.Outbox + message.Value.Id, message.Revision), Txn.Missing(keys.Sending + message.Value.Id))
                .Then(Txn.Put(keys.Sending + message.Value.Id, Environment.MachineName, lease)))).Succeeded,
        CancellationToken.None);

    /// <summary>Puts a claimed message back into the outbox.</summary>
    public Task PutBackAsync(AlertMessage message) => etcd.TxnAsync(Txn.All([Put(message), Txn.Delete(keys.Sending + message.Id)]));

    /// <summary>Moves a claimed message to those of the last day.</summary>
    public Task EndAsync(AlertMessage message) => _aDay.UseAsync(
        lease => etcd.TxnAsync(Txn.All(
        [
            Txn.Put(keys.Recent + message.Id, JsonSerializer.Serialize(message, AlertJson.Readable.AlertMessage), lease),
            Txn.Delete(keys.Outbox + message.Id),
            Txn.Delete(keys.Sending + message.Id),
        ])),
        CancellationToken.None);

    /// <returns>Null = it is written; else the state that another master has written meanwhile.</returns>
    private async Task<Stored<AlertState>?> TryWriteAsync(Watched watched, long revision, AlertStep step, CancellationToken stop)
    {
        var key = keys.State(watched.Subject);
        var value = JsonSerializer.Serialize(step.State, AlertJson.Readable.AlertState);
        List<RequestOp> messages = [.. step.Turns.Select(turn => Put(MessageOf(watched, turn)))];
        var answer = step.State.Open.Count > 0 ? await WriteAsync(default) : await _aDay.UseAsync(WriteAsync, stop);
        if (answer.Succeeded)
        {
            board.Note(watched.Subject, step.State, answer.Header.Revision);
            return null;
        }

        return answer.Responses[0].ResponseRange.Kvs is [var pair]
            ? new Stored<AlertState>(JsonSerializer.Deserialize(pair.Value.Span, AlertJson.Stored.AlertState)!, pair.ModRevision)
            : new Stored<AlertState>(AlertState.Well, 0);

        Task<TxnResponse> WriteAsync(LeaseId lease) => etcd.TxnAsync(
            Txn.If(IsStill(key, revision)).Then([Txn.Put(key, value, lease), .. messages]).Else(Txn.Get(key)), cancel: stop);
    }

    private static Compare IsStill(string key, long revision) => revision == 0 ? Txn.Missing(key) : Txn.Unchanged(key, revision);

    private RequestOp Put(AlertMessage message) =>
        Txn.Put(keys.Outbox + message.Id, JsonSerializer.Serialize(message, AlertJson.Readable.AlertMessage));

    private AlertMessage MessageOf(Watched watched, AlertTurn turn) => new(
        $"{time.GetUtcNow():yyyyMMdd'T'HHmmss'Z'}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6))}",
        watched.Subject.Rule,
        watched.Terms.Channel,
        turn.What,
        watched.Subject.JobName,
        watched.Subject.Worker,
        time.GetUtcNow(),
        turn.About.Since,
        turn.About.RunId,
        turn.About.Ending,
        turn.About.Reason,
        turn.About.Times,
        turn.About.LastLine,
        watched.Text);
}
