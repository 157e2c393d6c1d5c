using System.Threading.Channels;
using Dts.Common.Logs;

namespace Dts.Master.Audit;

/// <summary>Writes the records of the audit trail to the log store, and removes what has expired.</summary>
/// <remarks>While the store is away, records wait: in the queue, and a batch here. The journal has had their lines at once.</remarks>
internal sealed class AuditWriter(
    ChannelReader<AuditRecord> records, AuditTrail trail, IAuditStore store, TimeProvider time, ILogger log)
{
    /// <summary>The records that may wait; beyond them new ones are only in the journal.</summary>
    public const int WaitingMax = 10_000;

    private const int BatchMax = 200;

    private static readonly TimeSpan LooksEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TriesAgainAfter = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastTryWithin = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SweepsEvery = TimeSpan.FromDays(1);

    private readonly List<AuditRecord> _batch = [];
    private DateTimeOffset _swept;
    private bool _isAway;

    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            trail.TellDue();
            var isWritten = await TryWriteAsync(stop);
            await Task.Delay(isWritten ? LooksEvery : TriesAgainAfter, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        trail.TellDue(isEnd: true);
        using var limit = new CancellationTokenSource(LastTryWithin, time);
        await TryWriteAsync(limit.Token);
    }

    /// <summary>Writes what waits; false = the store did not take all of it.</summary>
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

            Tell(null);
            return true;
        }
        catch (LogStoreException failure)
        {
            Tell(failure);
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

    private void Tell(LogStoreException? failure)
    {
        if (failure is not null && !_isAway)
        {
            log.AuditWaits(failure.Message);
        }
        else if (failure is null && _isAway)
        {
            log.AuditWritten();
        }

        _isAway = failure is not null;
    }
}
