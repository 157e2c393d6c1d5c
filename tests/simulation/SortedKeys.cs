using Google.Protobuf;

namespace Dts.Tests.Simulation;

/// <summary>The keys from the first to before the end, by their bytes, as etcd means <c>key</c> and <c>range_end</c>.</summary>
/// <param name="End">Empty = the first key alone; a zero byte = all from the first on.</param>
internal readonly record struct KeyRange(ByteString First, ByteString End)
{
    public KeyRange(ByteString key)
        : this(key, ByteString.Empty)
    {
    }

    public bool IsSingle => End.IsEmpty;

    public bool HasNoEnd => End.Length == 1 && End[0] == 0;

    public static int Compare(ByteString a, ByteString b) => a.Span.SequenceCompareTo(b.Span);

    public bool Contains(ByteString key) => IsSingle
        ? First == key
        : key.Span.SequenceCompareTo(First.Span) >= 0 && IsBeforeEnd(key);

    public bool IsBeforeEnd(ByteString key) => HasNoEnd || key.Span.SequenceCompareTo(End.Span) < 0;
}

/// <summary>Keys in the order of their bytes: short sorted lists, in a sorted list.</summary>
internal sealed class SortedKeys
{
    private const int ListMax = 256;

    private readonly List<List<SimKey>> _lists = [[]]; // Only the sole one may be empty.

    public void Add(SimKey key)
    {
        var list = _lists[ListOf(key.Name)];
        list.Insert(IndexIn(list, key.Name), key);
        if (list.Count > ListMax)
        {
            var half = list[(ListMax / 2)..];
            list.RemoveRange(ListMax / 2, half.Count);
            _lists.Insert(ListOf(list[0].Name) + 1, half);
        }
    }

    public void Remove(SimKey key)
    {
        var at = ListOf(key.Name);
        var list = _lists[at];
        list.RemoveAt(IndexIn(list, key.Name));
        if (list.Count == 0 && _lists.Count > 1)
        {
            _lists.RemoveAt(at);
        }
    }

    /// <param name="into">Gets the keys of the range, in their order.</param>
    public void Collect(KeyRange range, List<SimKey> into)
    {
        var at = ListOf(range.First);
        for (var index = IndexIn(_lists[at], range.First); at < _lists.Count; at++, index = 0)
        {
            for (var list = _lists[at]; index < list.Count; index++)
            {
                if (!range.IsBeforeEnd(list[index].Name))
                {
                    return;
                }

                into.Add(list[index]);
            }
        }
    }

    public void ForEach(Action<SimKey> act) => _lists.ForEach(list => list.ForEach(act));

    /// <summary>The list that has the key, or is to have it: the last that begins with the key or before it.</summary>
    private int ListOf(ByteString key)
    {
        var (low, high) = (0, _lists.Count - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            (low, high) = KeyRange.Compare(_lists[middle][0].Name, key) <= 0 ? (middle, high) : (low, middle - 1);
        }

        return low;
    }

    private static int IndexIn(List<SimKey> list, ByteString key)
    {
        var (low, high) = (0, list.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = KeyRange.Compare(list[middle].Name, key) < 0 ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
