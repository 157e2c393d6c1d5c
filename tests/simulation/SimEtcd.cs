using Dts.Common.Etcd;
using Etcdserverpb;

namespace Dts.Tests.Simulation;

/// <summary>An etcd in memory, for a simulation on one thread: the same requests, answers and errors as those of a real one.</summary>
/// <remarks>
/// <para>Constraints: no I/O, no clock, no randomness, not thread-safe. Callers pass the time, by etcd's own clock. Answers share their
/// <c>KeyValue</c> messages with the table, so callers must not change them. A request that etcd would take and this one does not is a
/// <see cref="NotSupportedException"/>.</para>
/// <para>Scheme: <see cref="SimKeys"/> keeps the table with its history, <see cref="SimLeases"/> the leases, <see cref="SimTxn"/> carries
/// out transactions, and <see cref="SimWatch"/> reads the history from a revision on. Each call takes effect at once: delay and loss belong
/// to whoever carries requests and answers. <c>SimEtcdTests</c> compares all of it with a real etcd.</para>
/// </remarks>
internal sealed class SimEtcd
{
    private const long LeaseSecondsMin = 2; // A real etcd grants no less, at its default election timeout.
    private const long LeaseSecondsMax = 9_000_000_000;

    private SimLeases _leases = new();
    private SimKeys _keys;
    private SimTxn _txn;
    private ulong _cluster;
    private long _leasesGranted; // Not part of a snapshot: etcd grants no id twice.

    public SimEtcd(ulong cluster = 1)
    {
        _cluster = cluster;
        _keys = new SimKeys(_leases);
        _txn = new SimTxn(_keys, _leases);
    }

    public long Revision => _keys.Revision;

    /// <summary>When the next lease expires, unless it is kept alive; null = there is none.</summary>
    public DateTimeOffset? NextExpiry => _leases.NextExpiry;

    internal SimKeys Keys => _keys;

    public TxnResponse Txn(TxnRequest request)
    {
        var answer = _txn.Execute(request);
        answer.Header = Header(_keys.Revision);
        return answer;
    }

    public RangeResponse Range(RangeRequest request)
    {
        SimTxnRules.Check(request);
        _txn.CheckRevision(request);
        var answer = _txn.Range(request);
        answer.Header = Header(answer.Header.Revision);
        return answer;
    }

    public PutResponse Put(PutRequest request)
    {
        SimTxnRules.Check(request);
        _txn.CheckLease(request);
        var answer = _txn.Put(request);
        _keys.Commit();
        answer.Header = Header(answer.Header.Revision);
        return answer;
    }

    public DeleteRangeResponse DeleteRange(DeleteRangeRequest request)
    {
        SimTxnRules.Check(request);
        var answer = _txn.DeleteRange(request);
        _keys.Commit();
        answer.Header = Header(answer.Header.Revision);
        return answer;
    }

    /// <summary>Forgets what is older than a revision.</summary>
    public CompactionResponse Compact(CompactionRequest request)
    {
        _keys.Compact(request.Revision);
        return new CompactionResponse { Header = Header(_keys.Revision) };
    }

    public LeaseGrantResponse Grant(LeaseGrantRequest request, DateTimeOffset now)
    {
        if (request.TTL > LeaseSecondsMax)
        {
            throw SimErrors.LeaseTooLong();
        }

        if (_leases.Has(request.ID))
        {
            throw SimErrors.LeaseExists();
        }

        var id = request.ID != 0 ? request.ID : NextLease();
        var seconds = Math.Max(request.TTL, LeaseSecondsMin);
        _leases.Add(id, seconds, now);
        return new LeaseGrantResponse { Header = Header(_keys.Revision), ID = id, TTL = seconds };
    }

    /// <summary>A TTL of 0 says that the lease is gone.</summary>
    public LeaseKeepAliveResponse KeepAlive(LeaseKeepAliveRequest request, DateTimeOffset now)
    {
        if (_leases.HasExpired(request.ID, now))
        {
            Revoke(request.ID); // A real etcd answers when it has done so.
        }

        return new LeaseKeepAliveResponse { Header = Header(_keys.Revision), ID = request.ID, TTL = _leases.Prolong(request.ID, now) };
    }

    public LeaseRevokeResponse Revoke(LeaseRevokeRequest request)
    {
        if (!_leases.Has(request.ID))
        {
            throw SimErrors.LeaseNotFound();
        }

        Revoke(request.ID);
        return new LeaseRevokeResponse { Header = Header(_keys.Revision) };
    }

    /// <summary>A TTL of -1 says that the lease is gone.</summary>
    public LeaseTimeToLiveResponse TimeToLive(LeaseTimeToLiveRequest request, DateTimeOffset now)
    {
        var answer = new LeaseTimeToLiveResponse { Header = Header(_keys.Revision), ID = request.ID, TTL = -1 };
        if (_leases.Has(request.ID))
        {
            (answer.TTL, answer.GrantedTTL) = _leases.TimeToLive(request.ID, now);
            answer.Keys.AddRange(request.Keys ? _leases.KeysOf(request.ID) : []);
        }

        return answer;
    }

    /// <summary>Revokes each lease that has expired, the earliest first; the keys of each go in one revision.</summary>
    public void ExpireLeases(DateTimeOffset now)
    {
        while (_leases.FindExpired(now) is { } lease)
        {
            Revoke(lease);
        }
    }

    public SimWatch Watch(WatchCreateRequest request) => new(this, request);

    public SimSnapshot Save() => new(_keys, _leases);

    /// <summary>
    /// Goes back to a snapshot, as an etcd that is restarted with its data: watches end, leases have their whole time from now on.
    /// </summary>
    /// <param name="cluster">The cluster's id from now on; null = as it was.</param>
    /// <param name="bumpTo">The revision to go on from; null = the snapshot's.</param>
    public void Restore(SimSnapshot snapshot, DateTimeOffset now, ulong? cluster = null, long? bumpTo = null)
    {
        _cluster = cluster ?? _cluster;
        (_keys, _leases) = snapshot.Copy(now);
        if (bumpTo is { } revision)
        {
            _keys.Bump(revision);
        }

        _txn = new SimTxn(_keys, _leases);
    }

    internal ResponseHeader Header(long revision) => new() { ClusterId = _cluster, Revision = revision };

    private void Revoke(long lease)
    {
        foreach (var key in _leases.Remove(lease))
        {
            _keys.Delete(new KeyRange(key));
        }

        _keys.Commit();
    }

    private long NextLease()
    {
        do
        {
            _leasesGranted++;
        }
        while (_leases.Has(_leasesGranted));

        return _leasesGranted;
    }
}

/// <summary>The errors of a real etcd, as <see cref="EtcdClient"/> reports them (rpctypes/error.go).</summary>
internal static class SimErrors
{
    public static EtcdException EmptyKey() => EtcdException.From(3, "etcdserver: key is not provided");

    public static EtcdException TooManyOperations() => EtcdException.From(3, "etcdserver: too many operations in txn request");

    public static EtcdException DuplicateKey() => EtcdException.From(3, "etcdserver: duplicate key given in txn request");

    public static EtcdException EmptyOperation() => EtcdException.From(5, "etcdserver: key not found");

    public static EtcdException LeaseNotFound() => EtcdException.From(5, "etcdserver: requested lease not found");

    public static EtcdException LeaseExists() => EtcdException.From(9, "etcdserver: lease already exists");

    public static EtcdException LeaseTooLong() => EtcdException.From(11, "etcdserver: too large lease TTL");

    public static EtcdException Compacted() => EtcdException.From(11, "etcdserver: mvcc: required revision has been compacted");

    public static EtcdException FutureRevision() => EtcdException.From(11, "etcdserver: mvcc: required revision is a future revision");

    public static EtcdException Restored() => EtcdException.From(14, "etcd was restored; the watch has ended");
}
