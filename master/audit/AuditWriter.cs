using System.Threading.Channels;
using Dts.Common.Logs;

namespace Dts.Master.Audit;

/// <summary>Writes the records of the audit trail to the log store, and removes expired ones.</summary>
/// <remarks>While the store is unavailable, records wait in the queue, and one batch here. The journal has their lines already.</remarks>
internal sealed class AuditWriter(
    ChannelReader<AuditRecord> records, AuditTrail trail, IAuditStore store, TimeProvider time, ILogger log)
{
    /// <summary>The most records that wait. Further ones are only in the journal.</summary>
    public const int WaitingMax = 10_000;

    private const int BatchMax = 200;

    private static readonly TimeSpan WritesEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TriesAgainAfter = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastTryWithin = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SweepsEvery = TimeSpan.FromDays(1);

    private readonly List<AuditRecord> _batch = [];
    private DateTimeOffset _swept;
    private bool _isUnavailable;

    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            trail.KeepDue();
            var isWritten = await TryWriteAsync(stop);
            await Task.Delay(isWritten ? WritesEvery : TriesAgainAfter, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        trail.KeepDue(isEnd: true);
        using var limit = new CancellationTokenSource(LastTryWithin, time);
        await TryWriteAsync(limit.Token);
    }

    /// <summary>Writes the waiting records; false = the store did not accept all of them.</summary>
    public async Task<bool> TryWriteAsync(CancellationToken cancel)
    {
        try
        {
            while (Fill() > 0)
            {
                await store.WriteAsync(_batch, cancel).WaitAsync(cancel);
                _batch.Clear();
            }

            if (trail.TakeDropped() is > 0 and var dropped)
            {
                log.AuditDropped(dropped, WaitingMax);
            }

            if (time.GetUtcNow() - _swept > SweepsEvery)
            {
                _swept = time.GetUtcNow();
                await store.RemoveExpiredAsync(_swept, cancel);
            }

            LogTurn(null);
            return true;
        }
        catch (LogStoreException failure)
        {
            LogTurn(failure);
            return false;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return false;
        }
    }

    private int Fill()
    {
        while (_batch.Count < BatchMax && records.TryRead(out var record))
        {
            _batch.Add(record);
        }

        return _batch.Count;
    }

    /// <summary>Logs when the store becomes unavailable, and when it is back.</summary>
    private void LogTurn(LogStoreException? failure)
    {
        if (failure is not null && !_isUnavailable)
        {
            log.AuditWaits(failure.Message);
        }
        else if (failure is null && _isUnavailable)
        {
            log.AuditWritten();
        }

        _isUnavailable = failure is not null;
    }
}
