namespace Dts.Common.Hosting;

/// <summary>
/// Tells systemd every few seconds that the service works, and its state in a line. Without a notify socket it does nothing.
/// </summary>
/// <param name="prove">
/// Completes when the loops that do the work have shown that they run. Until it does, systemd hears nothing, and after WatchdogSec it
/// restarts the service.
/// </param>
/// <param name="describe">
/// The state in a few words, sent when it has changed. A description that takes longer than the pause between heartbeats is cancelled.
/// </param>
public sealed class Heartbeat(
    SystemdNotifier systemd, Func<CancellationToken, Task> prove, Func<CancellationToken, Task<string>> describe, TimeProvider time)
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    public async Task RunAsync(CancellationToken cancel)
    {
        if (!systemd.IsHeard)
        {
            return;
        }

        // The description takes at most as long as the pause, so there are at least two heartbeats within WatchdogSec.
        var pause = systemd.Watchdog / 3 is { } third && third < Longest ? third : Longest;
        var told = "";
        while (!cancel.IsCancellationRequested)
        {
            try
            {
                await prove(cancel);
                if (systemd.Watchdog is not null)
                {
                    systemd.Alive();
                }

                using var inTime = CancellationTokenSource.CreateLinkedTokenSource(cancel);
                inTime.CancelAfter(pause);
                if (await describe(inTime.Token) is var status && status != told)
                {
                    systemd.Status(told = status);
                }
            }
            catch (OperationCanceledException)
            {
                // The service ends, or the description took too long.
            }

            await Task.Delay(pause, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
