using Dts.Common.Etcd;

namespace Dts.Worker.Sessions;

/// <summary>A lease that is kept alive: the lifetime of what this process claims in etcd.</summary>
/// <remarks>
/// Whether it still holds is judged here, not by asking: until the last answer's sending time + TTL, by our own monotonic clock, no
/// one else can have been told that it ended. After that it is in doubt, until etcd answers again or says that it is gone.
/// </remarks>
internal sealed class Session
{
    private readonly TimeProvider _time;
    private readonly TimeSpan _ttl;
    private long _heldFrom;
    private volatile bool _lost;

    internal Session(LeaseId lease, TimeSpan ttl, long grantedAt, TimeProvider time)
    {
        Lease = lease;
        _ttl = ttl;
        _heldFrom = grantedAt;
        _time = time;
    }

    public LeaseId Lease { get; }

    /// <summary>etcd has said that the lease is gone.</summary>
    public bool IsLost => _lost;

    /// <summary>How long it is certain to hold from now on; zero or less = it is in doubt, or lost.</summary>
    public TimeSpan HoldsFor => _lost ? TimeSpan.Zero : _ttl - _time.GetElapsedTime(Volatile.Read(ref _heldFrom));

    /// <summary>No one can have declared us lost yet: what was claimed may be started.</summary>
    public bool Holds => HoldsFor > TimeSpan.Zero;

    /// <param name="sentAt">When the request was sent whose answer prolonged it.</param>
    internal void Prolong(long sentAt) => Volatile.Write(ref _heldFrom, sentAt);

    internal void End() => _lost = true;
}

/// <summary>A lock that lives as long as a session: for chores that one process at a time should do.</summary>
/// <remarks>It saves work; it is not what keeps anything right. What is done under it must be harmless when two do it.</remarks>
internal sealed class LeaseLock(EtcdClient etcd, string key)
{
    /// <summary>Takes the lock if it is free. True when this session holds it now.</summary>
    public async Task<bool> TryAcquireAsync(Session session, string owner, CancellationToken cancel = default)
    {
        if (await etcd.FindAsync(key, cancel: cancel) is { } held)
        {
            return held.Lease == session.Lease.Value;
        }

        var take = Txn.If(Txn.Missing(key)).Then(Txn.Put(key, owner, session.Lease));
        return (await etcd.TxnAsync(take, cancel: cancel)).Succeeded;
    }
}
