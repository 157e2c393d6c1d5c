using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;
using Google.Protobuf;

namespace Dts.Tests.Simulation;

/// <summary>The etcd of the cluster as a process: leases expire, history is compacted, and who follows keys is told of changes.</summary>
internal sealed class SimServer
{
    /// <summary>The tables that are followed, each with a first letter of its own.</summary>
    private const string Followed = "jqkwd";

    private const long CompactEvery = 30 * SimWorld.Second;
    private const long BumpedBy = 1_000_000_000;

    private readonly SimWorld _world;
    private readonly Keys _keys = new(Keys.DefaultPrefix);
    private readonly List<SimFollower>[] _followers = [.. Followed.Select(_ => new List<SimFollower>())];
    private long _seen = 1;
    private long _expiresAt = long.MaxValue;
    private long _compactTo = 1;
    private long _awayUntil;

    public SimServer(SimWorld world)
    {
        _world = world;
        _world.Do(CompactEvery, CompactOld);
    }

    public SimEtcd Etcd { get; } = new();

    /// <summary>It answers nobody, as without a leader.</summary>
    public bool IsAway => _awayUntil > _world.Now;

    /// <summary>The runs that were declared lost.</summary>
    public HashSet<string> Lost { get; } = [];

    /// <summary>The runs that have ever been in the queue, and when they were last put there.</summary>
    public Dictionary<string, long> Queued { get; } = [];

    /// <summary>What it has lost by being restored.</summary>
    public List<SimLoss> Losses { get; } = [];

    /// <summary>It will go back to a snapshot.</summary>
    public bool IsToBeRestored { get; private set; }

    /// <summary>Requests that were sent before it was restored do not arrive.</summary>
    public int Restores => Losses.Count;

    /// <summary>Runs that were claimed before may still be on their way.</summary>
    public bool IsJustRestored => Losses is [.., var last] && _world.Now < last.Until + (10 * SimWorld.Second);

    /// <summary>What it does from now on; null = nobody measures it.</summary>
    public SimCosts? Costs { get; set; }

    /// <summary>How many requests it has carried out.</summary>
    public long Requests { get; private set; }

    /// <exception cref="EtcdException">It refuses the request.</exception>
    public T Do<T>(Func<SimEtcd, T> request)
    {
        Requests++;
        try
        {
            return request(Etcd);
        }
        finally
        {
            Changed();
        }
    }

    public void GoAway(long time) => _awayUntil = Math.Max(_awayUntil, _world.Now + time);

    public void Follow(string prefix, SimFollower follower) => _followers[TableOf(prefix[Keys.DefaultPrefix.Length])].Add(follower);

    public void Unfollow(string prefix, SimFollower follower) => _followers[TableOf(prefix[Keys.DefaultPrefix.Length])].Remove(follower);

    public void Compact(long revision)
    {
        if (revision > Etcd.Keys.CompactRevision && revision <= Etcd.Revision)
        {
            Etcd.Compact(new CompactionRequest { Revision = revision });
        }
    }

    /// <summary>Goes back to what it has now, after some time, and after a while in which it answers nobody.</summary>
    public void RestoreLater(long after, long away)
    {
        if (IsToBeRestored)
        {
            return;
        }

        IsToBeRestored = true;
        var (snapshot, since) = (Etcd.Save(), _world.Now);
        _world.Do(since + after, () =>
        {
            GoAway(away);
            _world.Do(_world.Now + away, () => Restore(snapshot, since));
        });
    }

    private void Restore(SimSnapshot snapshot, long since)
    {
        var bumpTo = _world.Chance(0.5) ? Etcd.Revision + BumpedBy : (long?)null;
        ulong? cluster = _world.Chance(0.5) ? (ulong)_world.Random.NextInt64(2, long.MaxValue) : null;
        _world.Note($"is restored as of {SimWorld.At(since):HH:mm:ss}{(bumpTo is null ? "" : ", with later revisions")}", "etcd");
        _world.Tally(bumpTo is null ? "etcd restored" : "etcd restored with later revisions");
        IsToBeRestored = false;
        Losses.Add(new SimLoss(since, _world.Now, IsBumped: bumpTo is not null));
        Etcd.Restore(snapshot, _world.Time, cluster, bumpTo);
        (_seen, _compactTo, _expiresAt) = (Etcd.Revision, Etcd.Revision, long.MaxValue);
        PlanExpiry();
        foreach (var follower in _followers.SelectMany(table => table).ToList())
        {
            follower.Poke();
        }
    }

    private static int TableOf(char letter) => Followed.IndexOf(letter);

    private void CompactOld()
    {
        Compact(_compactTo);
        _compactTo = Etcd.Revision;
        _world.Do(_world.Now + CompactEvery, CompactOld);
    }

    private void Changed()
    {
        if (Etcd.Revision > _seen)
        {
            var tables = 0;
            foreach (var version in Etcd.Keys.LogFrom(Etcd.Keys.IndexOf(_seen + 1)))
            {
                var letter = (char)version.Pair.Key[Keys.DefaultPrefix.Length];
                Costs?.NoteWritten(letter, version);
                if (letter == 'o' && !version.IsDeletion)
                {
                    NoteLost(version.Pair.Key, version.Pair.Value);
                }
                else if (TableOf(letter) is >= 0 and var table)
                {
                    tables |= 1 << table;
                    if (letter == 'q' && !version.IsDeletion)
                    {
                        Queued[version.Pair.Key.ToStringUtf8()[_keys.AllQueued.Length..]] = _world.Now;
                    }
                }
            }

            _seen = Etcd.Revision;
            for (var table = 0; tables > 0; table++, tables >>= 1)
            {
                if ((tables & 1) > 0)
                {
                    foreach (var follower in _followers[table])
                    {
                        follower.Poke();
                    }
                }
            }
        }

        PlanExpiry();
    }

    private void NoteLost(ByteString key, ByteString value)
    {
        if (JsonSerializer.Deserialize(value.Span, JobsJson.Readable.OwedEnding) is { Status: RunStatus.Lost })
        {
            Lost.Add(key.ToStringUtf8()[_keys.AllOwed.Length..]);
        }
    }

    /// <summary>A real etcd looks for expired leases twice a second.</summary>
    private void PlanExpiry()
    {
        if (Etcd.NextExpiry is { } next && (next - SimWorld.Epoch).Ticks / TimeSpan.TicksPerMicrosecond is var at && at < _expiresAt)
        {
            _expiresAt = at;
            _world.Do(at + _world.Between(0, 500 * SimWorld.Ms), Expire);
        }
    }

    private void Expire()
    {
        _expiresAt = long.MaxValue;
        Etcd.ExpireLeases(_world.Time);
        Changed();
    }
}

/// <summary>What an etcd has lost that was restored from a snapshot.</summary>
/// <param name="Since">The time of the snapshot.</param>
/// <param name="Until">The time of the restore.</param>
/// <param name="IsBumped">Its revisions are higher than before. Otherwise fencing tokens begin again at lower numbers.</param>
internal sealed record SimLoss(long Since, long Until, bool IsBumped);
