using Google.Protobuf;

namespace Dts.Tests.Simulation;

/// <summary>The leases, when each expires, and which keys are attached to each.</summary>
internal sealed class SimLeases
{
    private readonly Dictionary<long, SimLease> _leases = [];
    private readonly SortedSet<(DateTimeOffset At, long Lease)> _expiries = [];

    public DateTimeOffset? NextExpiry => _expiries.Count > 0 ? _expiries.Min.At : null;

    public bool Has(long lease) => _leases.ContainsKey(lease);

    public bool HasExpired(long lease, DateTimeOffset now) => _leases.TryGetValue(lease, out var found) && found.ExpiresAt <= now;

    public long? FindExpired(DateTimeOffset now) => _expiries.Count > 0 && _expiries.Min.At <= now ? _expiries.Min.Lease : null;

    public IEnumerable<ByteString> KeysOf(long lease) => _leases[lease].Keys.Order(Comparer<ByteString>.Create(KeyRange.Compare));

    /// <returns>The seconds that are left, and those that were granted.</returns>
    public (long Left, long Granted) TimeToLive(long lease, DateTimeOffset now) =>
        ((long)(_leases[lease].ExpiresAt - now).TotalSeconds, _leases[lease].Seconds);

    public void Add(long lease, long seconds, DateTimeOffset now)
    {
        _leases.Add(lease, new SimLease(seconds));
        Prolong(lease, now);
    }

    /// <returns>The seconds that the lease has from now on; 0 = it is gone.</returns>
    public long Prolong(long lease, DateTimeOffset now)
    {
        if (!_leases.TryGetValue(lease, out var found))
        {
            return 0;
        }

        _expiries.Remove((found.ExpiresAt, lease));
        found.ExpiresAt = now.AddSeconds(found.Seconds);
        _expiries.Add((found.ExpiresAt, lease));
        return found.Seconds;
    }

    /// <returns>The keys that go with the lease, in the order in which they are deleted.</returns>
    public List<ByteString> Remove(long lease)
    {
        List<ByteString> keys = [.. KeysOf(lease)];
        _expiries.Remove((_leases[lease].ExpiresAt, lease));
        _leases.Remove(lease);
        return keys;
    }

    /// <summary>Moves a key from one lease to another; 0 = none.</summary>
    public void Move(ByteString key, long from, long to)
    {
        if (from == to)
        {
            return;
        }

        if (from != 0 && _leases.TryGetValue(from, out var former))
        {
            former.Keys.Remove(key);
        }

        if (to != 0)
        {
            _leases[to].Keys.Add(key);
        }
    }

    /// <param name="now">From then on each lease has all of its time; null = as it is.</param>
    public SimLeases Copy(DateTimeOffset? now = null)
    {
        var copy = new SimLeases();
        foreach (var (id, lease) in _leases)
        {
            copy.Add(id, lease.Seconds, now ?? lease.ExpiresAt.AddSeconds(-lease.Seconds));
            copy._leases[id].Keys.UnionWith(lease.Keys);
        }

        return copy;
    }

    private sealed class SimLease(long seconds)
    {
        public long Seconds => seconds;

        public DateTimeOffset ExpiresAt { get; set; }

        public HashSet<ByteString> Keys { get; } = [];
    }
}
