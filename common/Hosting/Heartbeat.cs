namespace Dts.Common.Hosting;

/// <summary>
/// Tells systemd every few seconds that the service does its work, and how it stands; where nobody listens it does nothing.
/// </summary>
/// <param name="prove">
/// Completes when those who do the work have shown that they still do. As long as it does not, systemd hears nothing, and restarts us when
/// its time is over.
/// </param>
/// <param name="describe">
/// The state in a few words; told when it has changed. It is cancelled when it takes longer than between two beats.
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

        // Proof and description together take as long as the pause at most, ordinarily next to nothing: two beats in systemd's time.
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
                // The end, or a description that took too long.
            }

            await Task.Delay(pause, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
