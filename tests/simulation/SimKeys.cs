using System.Runtime.InteropServices;
using Google.Protobuf;
using Mvccpb;

namespace Dts.Tests.Simulation;

/// <summary>The table of keys with its history since the last compaction.</summary>
/// <remarks>
/// Scheme: each version of a key knows the one before it, and the log has all versions in the order in which they were written. A read of
/// the present uses the newest versions only; a read of the past follows them back. A compaction takes versions off the log and cuts their
/// links, so it costs as much as the writes that it forgets, however large the table is.
/// </remarks>
internal sealed class SimKeys(SimLeases leases)
{
    private readonly Dictionary<ByteString, SimKey> _all = []; // Deleted keys too, until their deletion is compacted.
    private readonly SortedKeys _live = new();
    private readonly List<KeyVersion> _log = [];
    private readonly List<SimKey> _found = []; // Reused by each read of the present.
    private int _uncommitted;

    /// <summary>The latest revision that is committed.</summary>
    public long Revision { get; private set; } = 1;

    /// <summary>The oldest revision that can be read; before the first compaction there is none.</summary>
    public long CompactRevision { get; private set; } = -1;

    /// <summary>The revision that a read inside a transaction sees: its own writes count.</summary>
    public long ReadRevision => _uncommitted > 0 ? Revision + 1 : Revision;

    /// <summary>Ends a transaction: what it wrote has the next revision.</summary>
    public void Commit() => (Revision, _uncommitted) = (ReadRevision, 0);

    public KeyValue? Find(ByteString key) => _all.TryGetValue(key, out var found) && !found.Newest.IsDeletion ? found.Newest.Pair : null;

    /// <summary>The pair as it was at a revision that is not compacted.</summary>
    public KeyValue? FindAt(ByteString key, long revision) => _all.GetValueOrDefault(key)?.Newest.FindAt(revision);

    /// <returns>Valid until the next call.</returns>
    public List<SimKey> List(KeyRange range)
    {
        _found.Clear();
        if (!range.IsSingle)
        {
            _live.Collect(range, _found);
        }
        else if (_all.TryGetValue(range.First, out var key) && !key.Newest.IsDeletion)
        {
            _found.Add(key);
        }

        return _found;
    }

    /// <summary>The pairs of a range as they were at a revision that is not compacted.</summary>
    public List<KeyValue> ListAt(KeyRange range, long revision)
    {
        List<SimKey> keys = [.. List(range)];
        var deleted = new HashSet<SimKey>();
        for (var index = IndexOf(revision + 1); index < _log.Count; index++)
        {
            var version = _log[index];
            if (version.IsDeletion && range.Contains(version.Pair.Key) && _all[version.Pair.Key] is { Newest.IsDeletion: true } key)
            {
                deleted.Add(key);
            }
        }

        if (deleted.Count > 0)
        {
            keys.AddRange(deleted);
            keys.Sort((a, b) => KeyRange.Compare(a.Name, b.Name));
        }

        return [.. keys.Select(key => key.Newest.FindAt(revision)).OfType<KeyValue>()];
    }

    /// <returns>The pair that it replaces; null = the key was missing.</returns>
    public KeyValue? Put(ByteString key, ByteString value, long lease)
    {
        var known = _all.GetValueOrDefault(key);
        var former = known is { Newest.IsDeletion: false } ? known.Newest.Pair : null;
        var pair = new KeyValue
        {
            Key = key,
            Value = value,
            Lease = lease,
            CreateRevision = former?.CreateRevision ?? Revision + 1,
            ModRevision = Revision + 1,
            Version = (former?.Version ?? 0) + 1,
        };
        var version = new KeyVersion(pair, known?.Newest);
        if (known is null)
        {
            _all[key] = known = new SimKey(key, version);
        }

        known.Newest = version;
        if (former is null)
        {
            _live.Add(known);
        }

        Write(version);
        leases.Move(key, former?.Lease ?? 0, lease);
        return former;
    }

    /// <returns>How many keys there were.</returns>
    public int Delete(KeyRange range)
    {
        var keys = List(range);
        foreach (var key in keys)
        {
            var former = key.Newest;
            key.Newest = new KeyVersion(new KeyValue { Key = key.Name, ModRevision = Revision + 1 }, former);
            _live.Remove(key);
            Write(key.Newest);
            leases.Move(key.Name, former.Pair.Lease, 0);
        }

        return keys.Count;
    }

    /// <summary>The place in the log of the first version of a revision, or of a later one.</summary>
    public int IndexOf(long revision)
    {
        var (low, high) = (0, _log.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _log[middle].Pair.ModRevision < revision ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>What was written, from a place in the log on.</summary>
    public ReadOnlySpan<KeyVersion> LogFrom(int index) => CollectionsMarshal.AsSpan(_log)[index..];

    /// <summary>
    /// Forgets all versions that another has replaced at or before a revision. As in etcd 3.4, deletions at the revision itself go, too:
    /// a watch that begins there does not tell them.
    /// </summary>
    public void Compact(long revision)
    {
        if (revision <= CompactRevision)
        {
            throw SimErrors.Compacted();
        }

        if (revision > Revision)
        {
            throw SimErrors.FutureRevision();
        }

        CompactRevision = revision;
        var count = IndexOf(revision + 1);
        var deletedAtRevision = new HashSet<ByteString>();
        foreach (var version in _log.Take(count))
        {
            version.Forget();
            if (version.IsDeletion && _all[version.Pair.Key].Newest == version)
            {
                _all.Remove(version.Pair.Key);
            }

            if (version.IsDeletion && version.Pair.ModRevision == revision)
            {
                deletedAtRevision.Add(version.Pair.Key);
            }
        }

        var first = IndexOf(revision);
        var putAtRevision = _log.GetRange(first, count - first).FindAll(version => !deletedAtRevision.Contains(version.Pair.Key));
        _log.RemoveRange(0, count);
        _log.InsertRange(0, putAtRevision);
    }

    /// <summary>Goes on from a later revision, as <c>etcdutl snapshot restore --bump-revision --mark-compacted</c> has it.</summary>
    public void Bump(long revision)
    {
        if (Revision > CompactRevision)
        {
            Compact(Revision);
        }

        (Revision, CompactRevision) = (revision, revision);
    }

    public SimKeys Copy(SimLeases copiedLeases)
    {
        var copy = new SimKeys(copiedLeases) { Revision = Revision, CompactRevision = CompactRevision };
        var versions = new Dictionary<KeyVersion, KeyVersion>();
        foreach (var version in _log)
        {
            copy._log.Add(CopyOf(version));
        }

        foreach (var (name, key) in _all)
        {
            copy._all[name] = new SimKey(name, CopyOf(key.Newest));
        }

        _live.ForEach(key => copy._live.Add(copy._all[key.Name]));
        return copy;

        KeyVersion CopyOf(KeyVersion version)
        {
            if (!versions.TryGetValue(version, out var copied))
            {
                // What is before the log's beginning is of one version at most, so this goes no deeper.
                versions[version] = copied = new KeyVersion(version.Pair, version.Former is { } former ? CopyOf(former) : null);
            }

            return copied;
        }
    }

    private void Write(KeyVersion version)
    {
        _uncommitted++;
        _log.Add(version);
    }
}
