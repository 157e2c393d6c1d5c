using Dts.Common.Logs;
using Dts.Master.Logs;

namespace Dts.Master.Alerts;

/// <summary>Writes messages as they are sent, with what the log knows of their runs.</summary>
internal sealed class AlertNotices(ILogReader store, string publicUrl, TimeProvider time)
{
    private static readonly TimeSpan ReadsRunWithin = TimeSpan.FromSeconds(5);

    public async Task<AlertNotice> OfAsync(AlertMessage message) =>
        AlertText.NoticeOf(message, await FindRunAsync(message), publicUrl);

    /// <summary>The record of the message's run; null = there is none, or the log store is unavailable.</summary>
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
        catch (Exception unavailable) when (unavailable is LogStoreException or OperationCanceledException)
        {
            return null;
        }
    }
}
