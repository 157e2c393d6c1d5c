namespace Dts.Common.Etcd;

/// <summary>Small values by short keys, for a table of a million entries: an entry costs its key and value, and about 13 bytes.</summary>
/// <remarks>
/// Not thread-safe. Scheme: a hash table with chains. Keys lie one after the other in chunks of bytes, each after its length; entries lie
/// in chunks, too. So only the buckets are copied when the table grows. When most of the bytes are those of removed keys, the others are
/// packed again. An entry keeps its index until it is removed.
/// </remarks>
internal sealed class PackedMap<T>
    where T : struct
{
    public const int None = -1;

    private const int BytesAtOnce = 1 << PlaceBits;
    private const int PlaceBits = 14; // A key's address is its chunk's number and its place there.
    private const int EntryBits = 8;
    private const int EntriesAtOnce = 1 << EntryBits;
    private const uint Nowhere = uint.MaxValue; // The address in an entry that is not used.
    private const int LengthBytesMax = 5;

    private readonly List<Entry[]> _entries = [];
    private List<byte[]> _chunks = [];
    private int[] _buckets = [None];
    private int _used; // Entries that are or were in use.
    private int _free = None; // The first of those that are not in use.
    private int _end = BytesAtOnce; // The place in the last chunk where the next key goes.
    private long _bytes;
    private long _deadBytes;

    public int Count { get; private set; }

    /// <summary>One more than the largest index.</summary>
    public int IndexEnd => _used;

    public ref T this[int index] => ref EntryAt(index).Value;

    public bool Has(int index) => EntryAt(index).Address != Nowhere;

    public ReadOnlySpan<byte> KeyAt(int index) => KeyIn(_chunks, EntryAt(index).Address);

    /// <summary>The index of a key, or <see cref="None"/>.</summary>
    public int Find(ReadOnlySpan<byte> key)
    {
        var index = _buckets[BucketOf(key)];
        while (index != None && !KeyAt(index).SequenceEqual(key))
        {
            index = EntryAt(index).Next;
        }

        return index;
    }

    /// <summary>The index of a key, which is added with the default value if it is not there.</summary>
    public int FindOrAdd(ReadOnlySpan<byte> key)
    {
        if (Find(key) is var found and not None)
        {
            return found;
        }

        if (Count == _buckets.Length)
        {
            Grow();
        }

        var index = TakeEntry();
        ref var bucket = ref _buckets[BucketOf(key)];
        EntryAt(index) = new Entry { Address = Store(key), Next = bucket };
        bucket = index;
        Count++;
        return index;
    }

    public bool Remove(ReadOnlySpan<byte> key)
    {
        ref var link = ref _buckets[BucketOf(key)];
        while (link != None && !KeyAt(link).SequenceEqual(key))
        {
            link = ref EntryAt(link).Next;
        }

        if (link == None)
        {
            return false;
        }

        var index = link;
        ref var entry = ref EntryAt(index);
        link = entry.Next;
        entry = new Entry { Address = Nowhere, Next = _free };
        _free = index;
        Count--;
        _deadBytes += key.Length + 1;
        if (_deadBytes > BytesAtOnce && _deadBytes > _bytes / 2)
        {
            Pack();
        }

        return true;
    }

    public void Clear()
    {
        _entries.Clear();
        _chunks.Clear();
        (_buckets, _used, _free, _end, _bytes, _deadBytes, Count) = ([None], 0, None, BytesAtOnce, 0, 0, 0);
    }

    private ref Entry EntryAt(int index) => ref _entries[index >> EntryBits][index & (EntriesAtOnce - 1)];

    private int BucketOf(ReadOnlySpan<byte> key)
    {
        var hash = new HashCode();
        hash.AddBytes(key);
        return hash.ToHashCode() & (_buckets.Length - 1);
    }

    private static ReadOnlySpan<byte> KeyIn(List<byte[]> chunks, uint address)
    {
        var bytes = chunks[(int)(address >> PlaceBits)].AsSpan((int)(address & (BytesAtOnce - 1)));
        var (length, used) = (0, 0);
        do
        {
            length |= (bytes[used] & 0x7F) << (7 * used);
        }
        while (bytes[used++] >= 0x80);

        return bytes.Slice(used, length);
    }

    private uint Store(ReadOnlySpan<byte> key)
    {
        if (_end + key.Length + LengthBytesMax > BytesAtOnce)
        {
            _chunks.Add(new byte[Math.Max(BytesAtOnce, key.Length + LengthBytesMax)]); // A longer key has a chunk of its own.
            _end = 0;
        }

        var chunk = _chunks[^1];
        var address = ((uint)(_chunks.Count - 1) << PlaceBits) | (uint)_end;
        for (var length = key.Length; ; length >>= 7)
        {
            chunk[_end++] = (byte)(length < 0x80 ? length : (length & 0x7F) | 0x80);
            if (length < 0x80)
            {
                break;
            }
        }

        key.CopyTo(chunk.AsSpan(_end));
        _end += key.Length;
        _bytes += key.Length + 1;
        return address;
    }

    private int TakeEntry()
    {
        if (_free is not None and var index)
        {
            _free = EntryAt(index).Next;
            return index;
        }

        if (_used == _entries.Count << EntryBits)
        {
            _entries.Add(new Entry[EntriesAtOnce]);
        }

        return _used++;
    }

    private void Grow()
    {
        _buckets = new int[Math.Max(16, _buckets.Length * 2)];
        Array.Fill(_buckets, None);
        for (var index = 0; index < _used; index++)
        {
            if (Has(index))
            {
                ref var bucket = ref _buckets[BucketOf(KeyAt(index))];
                EntryAt(index).Next = bucket;
                bucket = index;
            }
        }
    }

    private void Pack()
    {
        var former = _chunks;
        (_chunks, _end, _bytes, _deadBytes) = ([], BytesAtOnce, 0, 0);
        for (var index = 0; index < _used; index++)
        {
            if (Has(index))
            {
                ref var entry = ref EntryAt(index);
                entry.Address = Store(KeyIn(former, entry.Address));
            }
        }
    }

    private struct Entry
    {
        public uint Address;
        public int Next; // In its bucket's chain, or among those that are not in use.
        public T Value;
    }
}
