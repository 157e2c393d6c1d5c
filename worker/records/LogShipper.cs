using System.Threading.Channels;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;
using Dts.Worker.Logs;

namespace Dts.Worker.Records;

/// <summary>Moves records from the spool to the log store in batches.</summary>
/// <param name="appended">Tells of new records; completed when no more will come.</param>
/// <param name="batchSize">A batch is written when there are this many records …</param>
/// <param name="commitTimeout">… or when its first record has waited this long.</param>
internal sealed class LogShipper(
    Spool spool,
    RefusedRecords refused,
    ILogWriter store,
    ChannelReader<bool> appended,
    int batchSize,
    TimeSpan commitTimeout,
    TimeProvider time,
    ILogger log)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>Runs until no more records will come; then ships the rest at once, as far as the store takes it.</summary>
    public async Task RunAsync()
    {
        long lostAt = 0;
        Type? reason = null; // Of the last failure: the store, or this host's disk.
        for (var failures = 0; ;)
        {
            var noneToCome = appended.Completion.IsCompleted;
            try
            {
                var batch = await ShipAsync();
                if (failures > 0)
                {
                    SayBack(reason!, time.GetElapsedTime(lostAt).TotalSeconds, failures);
                    failures = 0;
                }

                if (batch.Records.Count == 0 && noneToCome)
                {
                    return;
                }

                if (!batch.IsFull)
                {
                    await WaitForBatchAsync();
                }
            }
            catch (Exception failure) when (failure is LogStoreException or IOException or UnauthorizedAccessException)
            {
                lostAt = ++failures == 1 ? time.GetTimestamp() : lostAt;
                if (failures == 1 || failure.GetType() != reason)
                {
                    reason = failure.GetType();
                    SayLost(failure);
                }

                if (noneToCome)
                {
                    log.StoreLeft(failure.Message, spool.CountWaiting());
                    return; // The next start ships the rest of the spool.
                }

                var pause = TimeSpan.FromMilliseconds(Math.Min(100 << Math.Min(failures, 6), LongestPause.TotalMilliseconds));
                await WaitAsync(pause, enough: long.MaxValue);
            }
        }
    }

    private async Task<Spool.Batch> ShipAsync()
    {
        var batch = spool.Read(batchSize);
        if (batch.Records.Count > 0)
        {
            var begun = time.GetTimestamp();
            var notTaken = await store.WriteAsync(batch.Records, CancellationToken.None);
            WorkerMeter.Wrote(time.GetElapsedTime(begun));
            foreach (var record in notTaken)
            {
                if (refused.TryKeep(record) is { } file)
                {
                    log.RecordRefused(record.What, record.Reason, file);
                }
            }
        }

        spool.Acknowledge(batch);
        return batch;
    }

    private void SayLost(Exception failure)
    {
        if (failure is LogStoreException)
        {
            log.StoreLost(failure.Message, spool.CountWaiting());
        }
        else
        {
            log.ShippingHeldUp(failure.Message, spool.CountWaiting());
        }
    }

    private void SayBack(Type reason, double seconds, int failures)
    {
        if (reason == typeof(LogStoreException))
        {
            log.StoreBack(seconds, failures);
        }
        else
        {
            log.ShippingGoesOn(seconds, failures);
        }
    }

    private async Task WaitForBatchAsync()
    {
        if (spool.Waiting > 0 || await appended.WaitToReadAsync())
        {
            await WaitAsync(commitTimeout, enough: batchSize);
        }
    }

    /// <summary>Waits for a time, or until so many records wait, or until no more will come.</summary>
    private async Task WaitAsync(TimeSpan most, long enough)
    {
        using var timeout = new CancellationTokenSource(most, time);
        try
        {
            while (spool.Waiting < enough && await appended.WaitToReadAsync(timeout.Token))
            {
                appended.TryRead(out _);
            }
        }
        catch (OperationCanceledException)
        {
            // Time is up.
        }
    }
}
