using System.Threading.Channels;
using Dts.Common.Etcd;
using Dts.Common.Logs;
using Dts.Worker.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Sessions;

/// <summary>
/// Settles this worker's own runs every minute, and removes expired records, because its log may be its own. If this worker holds the lock,
/// it also settles for the cluster: when a worker has left, when this worker has a new session, and every fifteen seconds.
/// </summary>
/// <param name="left">Signals that a worker has left. If a signal is lost, the next regular round finds the same.</param>
internal sealed class Reaper(
    SessionKeeper sessions,
    LeaseLock reaping,
    Settler settler,
    ILogWriter store,
    ChannelReader<bool> left,
    TimeProvider time,
    ILogger log)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReapEvery = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan SettleOwnEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan SweepAtOnce = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(10);

    private long _sweptAt = time.GetTimestamp();
    private long _sweptCursorsAt = time.GetTimestamp();
    private bool _isSwept = true; // False = the log may have more expired records.
    private long _settledOwnAt = time.GetTimestamp();
    private long _reapedAt;
    private Session? _reapedUnder; // Null = reaping is due.
    private Task<bool>? _told;

    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await PauseAsync(stop);
            try
            {
                if (sessions.Current is { Holds: true } session)
                {
                    await DoChoresAsync(session, stop);
                }
            }
            catch (EtcdException)
            {
                // The client has logged it; the next round tries again.
            }
            catch (LogStoreException failure)
            {
                log.SweepFailed(failure.Message);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // The worker stops.
            }
        }
    }

    /// <summary>Waits for a worker to leave, but only briefly: the session may be new, or a chore due.</summary>
    private async Task PauseAsync(CancellationToken stop)
    {
        _told ??= left.WaitToReadAsync(stop).AsTask();
        await Task.WhenAny(_told, Task.Delay(LookEvery, time, stop));
        if (_told.IsCompleted)
        {
            _told = null;
            _reapedUnder = left.TryRead(out _) ? null : _reapedUnder;
        }
    }

    private async Task DoChoresAsync(Session session, CancellationToken stop)
    {
        if (time.GetElapsedTime(_settledOwnAt) > SettleOwnEvery)
        {
            _settledOwnAt = time.GetTimestamp();
            await settler.SettleOwnAsync(session);
        }

        if (_reapedUnder != session || time.GetElapsedTime(_reapedAt) >= ReapEvery)
        {
            await ReapAsync(session, stop);
            (_reapedAt, _reapedUnder) = (time.GetTimestamp(), session);
        }

        if (!_isSwept || time.GetElapsedTime(_sweptAt) >= SweepEvery)
        {
            // A call removes at most a thousand records. The next round goes on, so that nothing else waits for long.
            (_sweptAt, _isSwept) = (time.GetTimestamp(), true);
            do
            {
                _isSwept = await store.RemoveExpiredAsync(time.GetUtcNow(), stop) == 0;
            }
            while (!_isSwept && time.GetElapsedTime(_sweptAt) < SweepAtOnce && !stop.IsCancellationRequested);
        }
    }

    private async Task ReapAsync(Session session, CancellationToken stop)
    {
        if (!await reaping.TryAcquireAsync(session, stop))
        {
            return;
        }

        await settler.SettleClusterAsync(session, stop);
        if (time.GetElapsedTime(_sweptCursorsAt) >= SweepEvery)
        {
            _sweptCursorsAt = time.GetTimestamp();
            await settler.RemoveOldCursorsAsync(session, stop);
        }
    }
}
