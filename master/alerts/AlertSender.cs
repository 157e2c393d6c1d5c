using Dts.Common.Etcd;

namespace Dts.Master.Alerts;

/// <summary>Sends what is in the outbox, one message of a channel at a time.</summary>
/// <remarks>
/// Every master does it. A message is claimed by a key with a lease of under a minute, so one master sends it; if that master dies, another
/// sends it again. The pauses between tries grow, and after a day the message is given up.
/// </remarks>
internal sealed class AlertSender(
    AlertBoard board, AlertStore store, ChannelSender channels, AlertNotices notices, TimeProvider time, ILogger log)
{
    /// <summary>The rule of a message that only tests a channel.</summary>
    public const string TestRule = "@test";

    private static readonly TimeSpan ChecksEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan GivenUpAfter = TimeSpan.FromDays(1);

    private readonly Dictionary<string, Task> _busy = []; // By channel: a slow one delays no other.

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
            foreach (var due in board.Waiting.Where(message => IsDue(message.Value, now)).OrderBy(message => message.Revision)
                .GroupBy(message => message.Value.Channel).Where(messages => !_busy.ContainsKey(messages.Key)))
            {
                _busy[due.Key] = SendAsync([.. due], stop);
            }

            await Task.Delay(ChecksEvery, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await Task.WhenAll(_busy.Values);
    }

    /// <summary>The time of the next try has come, or is further ahead than any pause: the clock of the latest try was wrong.</summary>
    public static bool IsDue(AlertMessage message, DateTimeOffset now) =>
        !(message.NotBefore > now) || MasterClocks.IsAhead(message.NotBefore - LongestPause, now);

    /// <summary>Sends a message that only tests a channel; null = this master has no such channel.</summary>
    public async Task<SendAnswer?> TestAsync(string channel, string by, CancellationToken cancel)
    {
        var now = time.GetUtcNow();
        var message = new AlertMessage("test", TestRule, channel, default, "", "", now, now, Reason: $"{by} asked for this message");
        return await channels.SendAsync(channel, await notices.OfAsync(message), cancel);
    }

    /// <summary>Sends the messages of a channel one after the other, until one is not accepted.</summary>
    private async Task SendAsync(IReadOnlyList<Stored<AlertMessage>> due, CancellationToken stop)
    {
        await Task.Yield();
        foreach (var message in due)
        {
            if (stop.IsCancellationRequested || !await TrySendAsync(message))
            {
                return;
            }
        }
    }

    /// <returns>False = the channel did not accept it, or etcd cannot be reached.</returns>
    private async Task<bool> TrySendAsync(Stored<AlertMessage> due)
    {
        try
        {
            if (!await store.TryClaimAsync(due))
            {
                return true; // Another master has it.
            }

            var message = due.Value;
            var answer = await channels.SendAsync(message.Channel, await notices.OfAsync(message), CancellationToken.None)
                ?? new SendAnswer(false, $"this master has no channel {message.Channel}; add it to the file alertChannels");
            await NoteAsync(message with { Answer = answer.Said, Attempts = message.Attempts + 1 }, answer);
            return answer.IsTaken;
        }
        catch (EtcdException)
        {
            // The client has logged it. The claim ends with its lease, and the message is sent then.
            await Task.Delay(FirstPause, time);
            return false;
        }
    }

    private Task NoteAsync(AlertMessage message, SendAnswer answer)
    {
        var now = time.GetUtcNow();
        if (answer.IsTaken)
        {
            return store.EndAsync(message with { DeliveredAt = now });
        }

        if (now - message.At >= GivenUpAfter)
        {
            log.AlertGivenUp(message.Channel, message.Attempts, answer.Said);
            return store.EndAsync(message);
        }

        if (message.Attempts == 1)
        {
            log.AlertNotDelivered(message.Channel, answer.Said);
        }

        var pause = FirstPause * Math.Pow(2, Math.Min(message.Attempts - 1, 16));
        return store.PutBackAsync(message with { NotBefore = now + (pause < LongestPause ? pause : LongestPause) });
    }
}
