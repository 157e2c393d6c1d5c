using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Etcdserverpb;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Sessions;

/// <summary>Keeps this process registered under one key: opens a session, prolongs it, and opens a new one when it is lost.</summary>
/// <param name="key">The registration's key.</param>
/// <param name="describe">Returns the registration's value, which is written every ten seconds.</param>
/// <param name="isOver">
/// Whether the value found at the key is from a process that has certainly ended, or from a former session of this process. Then the new
/// session takes the key over at once.
/// </param>
/// <param name="isLeft">
/// Whether runs are left at the end. Then the lease is kept: either the next process takes over these runs, or the lease expires.
/// </param>
/// <param name="opened">Called with each new session before it is published. Must not throw.</param>
internal sealed class SessionKeeper(
    EtcdClient etcd,
    string key,
    TimeSpan ttl,
    Func<string> describe,
    Func<string, bool> isOver,
    Func<Session, Task> opened,
    Func<bool> isLeft,
    ILogger log)
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(300);

    private static readonly TimeSpan DescribeEvery = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan RefusedPause = TimeSpan.FromSeconds(1);

    // Two endpoints that never answer must not end the session.
    private readonly TimeSpan _attempt = ttl / 4 < etcd.CallTimeout ? ttl / 4 : etcd.CallTimeout;
    private volatile Session? _current;
    private long _describedAt;
    private volatile bool _isOutdated;
    private bool _isRefused;

    /// <summary>The present session; null before the first one and while a new one is being opened.</summary>
    public Session? Current => _current;

    /// <summary>Writes the registration with the next keep-alive, because its value has changed.</summary>
    public void DescribeSoon() => _isOutdated = true;

    /// <summary>
    /// Runs until cancelled. Then it revokes the lease, so that others need not wait for it to expire, unless runs are left under it.
    /// </summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            var pause = RetryPause;
            try
            {
                if (await OpenAsync(cancel) is { } session)
                {
                    _isRefused = false;
                    await opened(session);
                    _current = session;
                    await KeepAsync(session, cancel);
                }
            }
            catch (EtcdException failure)
            {
                NoteRefusal(failure);
                pause = failure.Error == EtcdError.Unavailable ? RetryPause : RefusedPause;
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
                break;
            }

            await PauseAsync(pause, cancel);
        }

        if (_current is { } last)
        {
            if (!isLeft())
            {
                await TryRevokeAsync(last.Lease);
            }

            _current = null;
            last.End();
        }
    }

    private async Task<Session?> OpenAsync(CancellationToken cancel)
    {
        var sentAt = etcd.Time.GetTimestamp();
        var lease = await etcd.GrantAsync(ttl, cancel);
        var answer = await etcd.TxnAsync(Register(lease), cancel: cancel);
        if (answer.Succeeded)
        {
            log.SessionOpened(lease.ToString(), key, ttl.TotalSeconds);
            return new Session(lease, ttl, sentAt, etcd.Time);
        }

        var found = answer.Responses[0].ResponseRange.Kvs[0];
        if (isOver(found.Value.ToStringUtf8())
            && (await etcd.TxnAsync(
                Txn.If(Txn.Unchanged(key, found.ModRevision)).Then(Txn.Put(key, describe(), lease)), cancel: cancel)).Succeeded)
        {
            // The key was ours, from a request whose answer was lost, or of a process that ended without revoking its lease. The new lease
            // replaces the old one in one step: without a registration this worker's runs would be ended as lost.
            await TryRevokeAsync(new LeaseId(found.Lease));
            log.SessionOpened(lease.ToString(), key, ttl.TotalSeconds);
            return new Session(lease, ttl, sentAt, etcd.Time);
        }

        await TryRevokeAsync(lease);
        log.SessionTaken(key, found.Value.ToStringUtf8());
        await PauseAsync(ttl / 2, cancel);
        return null;
    }

    private TxnRequest Register(LeaseId lease)
    {
        _describedAt = etcd.Time.GetTimestamp();
        return Txn.If(Txn.Missing(key)).Then(Txn.Put(key, describe(), lease)).Else(Txn.Get(key));
    }

    private async Task KeepAsync(Session session, CancellationToken cancel)
    {
        var pause = ttl / 3;
        while (!cancel.IsCancellationRequested)
        {
            await PauseAsync(pause, cancel);
            try
            {
                var sentAt = etcd.Time.GetTimestamp();
                if (!await etcd.KeepAliveAsync(session.Lease, _attempt, cancel) || !await IsRegisteredAsync(session, cancel))
                {
                    _current = null;
                    session.End();
                    log.SessionLost(session.Lease.ToString());
                    return;
                }

                session.Prolong(sentAt);
                pause = ttl / 3;
                await DescribeAsync(session, cancel);
                _isRefused = false;
            }
            catch (EtcdException failure)
            {
                NoteRefusal(failure);
                pause = failure.Error == EtcdError.Unavailable ? RetryPause : ttl / 3;
            }
        }
    }

    /// <summary>Puts the registration back if somebody deleted it: without it etcd refuses every claim.</summary>
    private async Task<bool> IsRegisteredAsync(Session session, CancellationToken cancel)
    {
        var answer = await etcd.TxnAsync(Txn.If(Txn.HasLease(key, session.Lease)).Else(Txn.Get(key)), _attempt, cancel);
        return answer.Succeeded
            || (answer.Responses[0].ResponseRange.Kvs.Count == 0
                && (await etcd.TxnAsync(Register(session.Lease), cancel: cancel)).Succeeded);
    }

    private async Task DescribeAsync(Session session, CancellationToken cancel)
    {
        if (_isOutdated || etcd.Time.GetElapsedTime(_describedAt) >= DescribeEvery)
        {
            _isOutdated = false;
            _describedAt = etcd.Time.GetTimestamp();
            var put = Txn.If(Txn.HasLease(key, session.Lease)).Then(Txn.Put(key, describe(), session.Lease));
            await etcd.TxnAsync(put, _attempt, cancel);
        }
    }

    /// <summary>Logs a refusal once. The client itself logs that etcd is unavailable or out of space.</summary>
    private void NoteRefusal(EtcdException failure)
    {
        if (failure.Error != EtcdError.Unavailable && !failure.IsOutOfSpace && !_isRefused)
        {
            _isRefused = true;
            log.EtcdRefused(failure.Message);
        }
    }

    private async Task TryRevokeAsync(LeaseId lease)
    {
        try
        {
            await etcd.RevokeAsync(lease);
        }
        catch (EtcdException)
        {
            // It expires by itself.
        }
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken cancel) =>
        await Task.Delay(pause, etcd.Time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
