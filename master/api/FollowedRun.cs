using Dts.Common.Logs;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>The output of a followed run: its followers share every read of the store and the bytes of the latest reads.</summary>
/// <remarks>
/// Thread-safe. A follower at another position in the output reads the store itself until it has caught up. While nothing new arrives,
/// the reads become less frequent.
/// </remarks>
internal sealed class FollowedRun(
    ILogReader store, string id, Func<CancellationToken, Task<bool>> isInFlight, long offset, TimeProvider time) : IDisposable
{
    private const int BytesAtOnce = 256 << 10;
    private const int BytesKept = 512 << 10;
    private const double Slowing = 1.25;

    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan LookAtLeastEvery = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(2); // How often to ask whether a silent run is in flight.

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _end = new();
    private readonly OutputReader _reader = new(store, id, offset);
    private byte[] _kept = [];
    private long _keptTo = offset;
    private RunRecord? _record;
    private Task? _look; // Null = no follower waits for a look.
    private TimeSpan _pause; // From the last look to the next.
    private long _lookedAt;
    private long _sign = time.GetTimestamp(); // When the run last showed that more may come.

    public string Id => id;

    /// <summary>The run's record; null = there is none yet, or it only says that the run was lost.</summary>
    public RunRecord? Record => Volatile.Read(ref _record);

    /// <summary>The run has been declared lost; its worker may still report its true ending.</summary>
    public bool IsLost => _reader.IsLost;

    /// <summary>The time since the run last showed that more may come.</summary>
    public TimeSpan Silence => time.GetElapsedTime(Interlocked.Read(ref _sign));

    /// <summary>Reads the output from an offset on; empty = a look found nothing there.</summary>
    public async Task<byte[]> ReadAsync(long offset, CancellationToken cancel)
    {
        if (FindKept(offset) is not { } kept)
        {
            var record = Record;
            var own = await ReadOwnAsync(offset, record, cancel);
            if (own.Length > 0)
            {
                return own;
            }

            await LookAsync(cancel);
            return Record == record ? [] : await ReadOwnAsync(offset, Record, cancel);
        }

        if (kept.Length > 0)
        {
            return kept;
        }

        await LookAsync(cancel);
        return FindKept(offset) ?? await ReadOwnAsync(offset, Record, cancel);
    }

    public void Dispose() => _end.Cancel(); // The token source has no timer, so it need not be disposed.

    private Task<byte[]> ReadOwnAsync(long offset, RunRecord? record, CancellationToken cancel) =>
        new OutputReader(store, id, offset).ReadAsync(record, BytesAtOnce, cancel);

    /// <summary>The kept bytes from an offset on, empty at their end; null = the offset is outside them.</summary>
    private byte[]? FindKept(long offset)
    {
        lock (_gate)
        {
            var from = offset - (_keptTo - _kept.Length);
            return from < 0 || offset > _keptTo ? null : _kept[(int)from..(int)Math.Min(_kept.Length, from + BytesAtOnce)];
        }
    }

    private Task LookAsync(CancellationToken cancel)
    {
        lock (_gate)
        {
            return (_look ??= LookAsync()).WaitAsync(cancel);
        }
    }

    private async Task LookAsync()
    {
        await Task.Yield(); // The caller holds the lock.
        try
        {
            if (_pause - time.GetElapsedTime(_lookedAt) is { Ticks: > 0 } rest)
            {
                await Task.Delay(rest, time, _end.Token);
            }

            // The record is read first: output written before it is then in the store.
            var hadRecord = _reader.HasRecord;
            var record = await _reader.FindRecordAsync(_end.Token);
            var bytes = await _reader.ReadAsync(record, BytesAtOnce, _end.Token);
            var isNew = bytes.Length > 0 || _reader.HasRecord != hadRecord;
            if (isNew || (record is null && Silence > AskEvery && await isInFlight(_end.Token)))
            {
                Interlocked.Exchange(ref _sign, time.GetTimestamp());
            }

            lock (_gate)
            {
                _kept = [.. _kept.Length + bytes.Length > BytesKept ? [] : _kept, .. bytes];
                _keptTo += bytes.Length;
                _record = record;
                _pause = bytes.Length > 0 ? TimeSpan.Zero
                    : isNew || _pause < LookEvery ? LookEvery
                    : Min(_pause * Slowing, LookAtLeastEvery);
            }
        }
        finally
        {
            lock (_gate)
            {
                _lookedAt = time.GetTimestamp();
                _look = null;
            }
        }
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
