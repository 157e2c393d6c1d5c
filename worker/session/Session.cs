using Dts.Common.Etcd;

namespace Dts.Worker.Sessions;

/// <summary>A lease that is kept alive: the lifetime of what this process claims in etcd.</summary>
/// <remarks>
/// The session judges by itself whether it still holds: until the TTL after the last answered request was sent, by our own clock since
/// boot, etcd cannot have told anyone that the lease ended. After that the session is in doubt, until etcd answers again or says that the
/// lease is gone.
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

    /// <summary>The lease is gone, or the registration has been taken, or this worker stops.</summary>
    public bool IsLost => _lost;

    /// <summary>How long the session is certain to hold from now on; zero or less = it is in doubt, or lost.</summary>
    public TimeSpan HoldsFor => _lost ? TimeSpan.Zero : _ttl - _time.GetElapsedTime(Volatile.Read(ref _heldFrom));

    /// <summary>No other worker can have ended our runs as lost yet: claimed runs may start.</summary>
    public bool Holds => HoldsFor > TimeSpan.Zero;

    /// <param name="sentAt">When the request that prolonged the lease was sent.</param>
    internal void Prolong(long sentAt) => Volatile.Write(ref _heldFrom, sentAt);

    internal void End() => _lost = true;
}
