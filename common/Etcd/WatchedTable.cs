using System.Collections;
using System.Text;
using Google.Protobuf;
using Mvccpb;

namespace Dts.Common.Etcd;

/// <summary>The keys that a watch has delivered, with their revisions.</summary>
/// <remarks>Not thread-safe. A million keys must stay small.</remarks>
internal sealed class WatchedTable(EtcdClient etcd, string prefix)
{
    private readonly PackedMap<long> _revisions = new(); // By the bytes after the prefix, which need not be UTF-8.
    private readonly int _prefixLength = Encoding.UTF8.GetByteCount(prefix);

    public int Count => _revisions.Count;

    public KeyChange.Put Put(KeyValue pair)
    {
        _revisions[_revisions.FindOrAdd(Rest(pair.Key))] = pair.ModRevision;
        return new KeyChange.Put(pair.Key.ToStringUtf8(), pair.ModRevision, pair.CreateRevision, new LeaseId(pair.Lease), pair.Value);
    }

    public KeyChange.Deleted Delete(ByteString key, long revision)
    {
        _revisions.Remove(Rest(key));
        return new KeyChange.Deleted(key.ToStringUtf8(), revision);
    }

    /// <summary>
    /// Lists the table again and applies the differences: first the keys, then the values of the parts in which something has changed.
    /// In an etcd with other data, all former keys are deleted and all present ones put.
    /// </summary>
    /// <param name="reached">The revision up to which all is delivered.</param>
    /// <param name="isOtherData">It is known that etcd has other data.</param>
    public async Task<TableDifference> CompareAsync(long reached, bool isOtherData, CancellationToken cancel)
    {
        var there = new BitArray(_revisions.IndexEnd);
        var (revision, count) = (0L, 0L);
        var changed = new List<TablePart>();
        await foreach (var part in TableLoader.ReadAsync(etcd, TableLoader.Under(prefix, keysOnly: true), cancel))
        {
            (revision, count) = (part.Revision, part.Count);
            isOtherData |= revision < reached;
            if (Compare(part.Keys, there, ref isOtherData))
            {
                changed.Add(part with { Keys = [part.Keys[0], part.Keys[^1]] });
            }
        }

        var table = TableLoader.Under(prefix);
        List<(ByteString First, ByteString End)> ranges = isOtherData
            ? [(table.Key, table.RangeEnd)]
            : [.. changed.Select(part => (part.Keys[0].Key, TableLoader.After(part.Keys[^1].Key)))];
        List<KeyValue> present = [];
        foreach (var (first, end) in ranges)
        {
            (table.Key, table.RangeEnd, table.Revision) = (first, end, revision);
            await foreach (var part in TableLoader.ReadAsync(etcd, table, cancel))
            {
                present.AddRange(part.Keys);
            }
        }

        var changes = isOtherData ? Replace(present, revision) : Update(present, there, revision);
        return new TableDifference(changes, revision, count, isOtherData);
    }

    /// <summary>Marks the keys that are there.</summary>
    /// <returns>True = some differ from what was delivered.</returns>
    private bool Compare(IReadOnlyList<KeyValue> keys, BitArray there, ref bool isOtherData)
    {
        var isChanged = false;
        foreach (var pair in keys)
        {
            var index = _revisions.Find(Rest(pair.Key));
            if (index == PackedMap<long>.None)
            {
                isChanged = true;
                continue;
            }

            there[index] = true;
            isChanged |= _revisions[index] != pair.ModRevision;
            isOtherData |= _revisions[index] > pair.ModRevision;
        }

        return isChanged;
    }

    private List<KeyChange> Replace(List<KeyValue> present, long revision) =>
        [.. DeleteAllBut(new BitArray(_revisions.IndexEnd), revision), .. present.Select(Put)];

    private List<KeyChange> Update(List<KeyValue> present, BitArray there, long revision)
    {
        var gone = DeleteAllBut(there, revision);
        return [.. present.Where(IsNew).Select(Put), .. gone];
    }

    private bool IsNew(KeyValue pair) =>
        _revisions.Find(Rest(pair.Key)) is var index && (index == PackedMap<long>.None || _revisions[index] != pair.ModRevision);

    private List<KeyChange> DeleteAllBut(BitArray there, long revision)
    {
        List<KeyChange> gone = [];
        for (var index = 0; index < there.Length; index++)
        {
            if (!there[index] && _revisions.Has(index))
            {
                var rest = _revisions.KeyAt(index);
                gone.Add(new KeyChange.Deleted(prefix + Encoding.UTF8.GetString(rest), revision));
                _revisions.Remove(rest);
            }
        }

        return gone;
    }

    private ReadOnlySpan<byte> Rest(ByteString key) => key.Span[_prefixLength..];
}

/// <summary>What a listing has found to differ from what was delivered.</summary>
/// <param name="Revision">The revision of the listing.</param>
/// <param name="Count">How many keys there are.</param>
/// <param name="IsOtherData">etcd was restored or wiped.</param>
internal sealed record TableDifference(IReadOnlyList<KeyChange> Changes, long Revision, long Count, bool IsOtherData);
