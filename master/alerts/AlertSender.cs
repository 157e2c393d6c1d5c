using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Alerts;

/// <summary>Sends what is in the outbox, one message of a channel at a time.</summary>
/// <remarks>
/// Every master does it. A message is claimed by a key with a lease of under a minute, so one master sends it; if that one dies, another
/// sends it again. A message that is not taken waits longer each time, and is given up after a day.
/// </remarks>
internal sealed class AlertSender(
    AlertBoard board,
    Channels channels,
    ChannelSender sender,
    EtcdClient etcd,
    AlertKeys keys,
    ILogReader store,
    string publicUrl,
    TimeProvider time,
    ILogger log)
{
    /// <summary>The rule of a message that only tries a channel.</summary>
    public const string TestRule = "@test";

    private static readonly TimeSpan LooksEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan GivenUpAfter = TimeSpan.FromDays(1);
    private static readonly TimeSpan ReadsRunWithin = TimeSpan.FromSeconds(5);

    private readonly RequestLease _claim = new(etcd, time, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(5)); // Longer than a send takes.
    private readonly RequestLease _aDay = new(etcd, time);
    private readonly Dictionary<string, Task> _busy = []; // By channel: a slow one holds up no other.

    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            foreach (var (channel, task) in _busy.Where(busy => busy.Value.IsCompleted).ToList())
            {
                _busy.Remove(channel);
                await task; // An exception is a bug.
            }

            var now = time.GetUtcNow();
            foreach (var due in board.Waiting.Where(message => !(message.Value.NotBefore > now)).OrderBy(message => message.Revision)
                .GroupBy(message => message.Value.Channel).Where(messages => !_busy.ContainsKey(messages.Key)))
            {
                _busy[due.Key] = SendAsync([.. due], stop);
            }

            await Task.Delay(LooksEvery, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await Task.WhenAll(_busy.Values);
    }

    /// <summary>Sends a message that only tries a channel; null = this master has no such channel.</summary>
    public async Task<SendAnswer?> TestAsync(string channel, string by, CancellationToken cancel)
    {
        if (!channels.All.TryGetValue(channel, out var settings))
        {
            return null;
        }

        var now = time.GetUtcNow();
        var message = new AlertMessage("test", TestRule, channel, default, "", "", now, now, Reason: $"{by} asked for this message");
        return await sender.SendAsync(settings, AlertText.NoticeOf(message, null, publicUrl), cancel);
    }

    /// <summary>Sends the messages of a channel one after the other, until one is not taken.</summary>
    private async Task SendAsync(IReadOnlyList<Known<AlertMessage>> due, CancellationToken stop)
    {
        await Task.Yield();
        for (var i = 0; i < due.Count && !stop.IsCancellationRequested; i++)
        {
            if (!await TrySendAsync(due[i]))
            {
                return;
            }
        }
    }

    /// <returns>False = the channel or etcd did not take it.</returns>
    private async Task<bool> TrySendAsync(Known<AlertMessage> due)
    {
        var (message, sending) = (due.Value, keys.Sending + due.Value.Id);
        try
        {
            if (!await TryClaimAsync(due, sending))
            {
                return true; // Another master has it.
            }

            var answer = channels.All.TryGetValue(message.Channel, out var channel)
                ? await sender.SendAsync(
                    channel, AlertText.NoticeOf(message, await FindRunAsync(message), publicUrl), CancellationToken.None)
                : new SendAnswer(false, $"this master has no channel {message.Channel}; add it to the file alertChannels");
            await NoteAsync(due, sending, answer);
            return answer.IsTaken;
        }
        catch (EtcdException)
        {
            // The client has logged it. The claim ends with its lease, and the message is sent then.
            await Task.Delay(FirstPause, time);
            return false;
        }
    }

    private Task<bool> TryClaimAsync(Known<AlertMessage> due, string sending) => _claim.UseAsync(
        async lease => (await etcd.TxnAsync(
            Txn.If(Txn.Unchanged(keys.Outbox + due.Value.Id, due.Revision), Txn.Missing(sending))
                .Then(Txn.Put(sending, Environment.MachineName, lease)))).Succeeded,
        CancellationToken.None);

    private async Task NoteAsync(Known<AlertMessage> due, string sending, SendAnswer answer)
    {
        var (message, now) = (due.Value, time.GetUtcNow());
        var next = message with { Answer = answer.Said, Attempts = message.Attempts + 1, DeliveredAt = answer.IsTaken ? now : null };
        if (!answer.IsTaken && now - message.At < GivenUpAfter)
        {
            if (next.Attempts == 1)
            {
                log.AlertNotDelivered(message.Channel, answer.Said);
            }

            var pause = TimeSpan.FromTicks(Math.Min((FirstPause * (1L << Math.Min(message.Attempts, 16))).Ticks, LongestPause.Ticks));
            var later = Write(next with { NotBefore = now + pause });
            await etcd.TxnAsync(Txn.All([Txn.Put(keys.Outbox + message.Id, later), Txn.Delete(sending)]));
            return;
        }

        if (!answer.IsTaken)
        {
            log.AlertGivenUp(message.Channel, next.Attempts, answer.Said);
        }

        await _aDay.UseAsync(
            lease => etcd.TxnAsync(Txn.All(
                [Txn.Put(keys.Recent + message.Id, Write(next), lease), Txn.Delete(keys.Outbox + message.Id), Txn.Delete(sending)])),
            CancellationToken.None);
    }

    /// <summary>The record of the run that a message is about; null = there is none, or the log store is away.</summary>
    private async Task<RunRecord?> FindRunAsync(AlertMessage message)
    {
        if (message.RunId.Length == 0 || message.JobName.Length == 0)
        {
            return null;
        }

        using var limit = new CancellationTokenSource(ReadsRunWithin, time);
        try
        {
            return await store.FindAsync($"{message.JobName}/{message.RunId}", limit.Token);
        }
        catch (Exception away) when (away is LogStoreException or OperationCanceledException)
        {
            return null;
        }
    }

    private static string Write(AlertMessage message) => JsonSerializer.Serialize(message, AlertJson.Readable.AlertMessage);
}
