using System.Runtime.CompilerServices;
using Etcdserverpb;
using Google.Protobuf;
using Mvccpb;

namespace Dts.Common.Etcd;

/// <summary>Reads all keys under a prefix at one revision, however many there are.</summary>
/// <remarks>
/// <para>Constraint: etcd counts the rest of the range on every page of a read with <c>limit</c>, so paging is quadratic.</para>
/// <para>Scheme: a range with more than <see cref="KeysAtOnce"/> keys is halved by its next byte, and then by the byte after that, until
/// each part is small; counting is cheap. A few parts are read at a time. A small table takes one read.</para>
/// </remarks>
public static class TableLoader
{
    private const int KeysAtOnce = 10_000;
    private const int ReadsInFlight = 4;

    public static async Task<(List<KeyValue> Keys, long Revision)> LoadAsync(
        EtcdClient etcd, string prefix, CancellationToken cancel, bool keysOnly = false)
    {
        var (first, parts) = await BeginAsync(etcd, prefix, keysOnly, cancel);
        List<KeyValue> keys = parts.Count == 0 ? [.. first.Kvs] : new((int)first.Count);
        foreach (var reads in parts.Chunk(ReadsInFlight))
        {
            foreach (var answer in await Task.WhenAll(reads.Select(part => etcd.RangeAsync(part, cancel))))
            {
                keys.AddRange(answer.Kvs);
            }
        }

        return (keys, first.Header.Revision);
    }

    /// <summary>Reads the keys part by part, for a table that is larger than the memory it may take.</summary>
    public static async IAsyncEnumerable<IReadOnlyList<KeyValue>> ReadAsync(
        EtcdClient etcd, string prefix, [EnumeratorCancellation] CancellationToken cancel)
    {
        var (first, parts) = await BeginAsync(etcd, prefix, keysOnly: false, cancel);
        if (parts.Count == 0)
        {
            yield return first.Kvs;
        }

        foreach (var part in parts)
        {
            yield return (await etcd.RangeAsync(part, cancel)).Kvs;
        }
    }

    /// <summary>
    /// Reads the table at once if it is small; else returns the reads for its parts, all at the revision of the first read.
    /// </summary>
    private static async Task<(RangeResponse First, List<RangeRequest> Parts)> BeginAsync(
        EtcdClient etcd, string prefix, bool keysOnly, CancellationToken cancel)
    {
        var request = new RangeRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix), KeysOnly = keysOnly, Limit = KeysAtOnce };
        var first = await etcd.RangeAsync(request, cancel);
        var parts = new List<RangeRequest>();
        if (first.Count > KeysAtOnce)
        {
            var whole = new Part(Txn.Bytes(prefix).ToByteArray(), 0, 256);
            await SplitAsync(etcd, whole, first.Count, first.Header.Revision, parts, cancel);
            parts.ForEach(part => part.KeysOnly = keysOnly);
        }

        return (first, parts);
    }

    private static async Task SplitAsync(
        EtcdClient etcd, Part part, long count, long revision, List<RangeRequest> parts, CancellationToken cancel)
    {
        if (count <= KeysAtOnce)
        {
            if (count > 0)
            {
                parts.Add(part.Read(revision));
            }

            return;
        }

        foreach (var smaller in part.Split())
        {
            var request = smaller.Read(revision);
            request.CountOnly = true;
            var counted = await etcd.RangeAsync(request, cancel);
            await SplitAsync(etcd, smaller, counted.Count, revision, parts, cancel);
        }
    }

    /// <summary>
    /// The keys that begin with <paramref name="Stem"/> and a byte from <paramref name="Low"/> to <paramref name="High"/> - 1; with 0 also
    /// the stem itself.
    /// </summary>
    private readonly record struct Part(byte[] Stem, int Low, int High)
    {
        public IEnumerable<Part> Split()
        {
            if (High - Low == 1)
            {
                return new Part([.. Stem, (byte)Low], 0, 256).Split();
            }

            var middle = (Low + High) / 2;
            return [this with { High = middle }, this with { Low = middle }];
        }

        public RangeRequest Read(long revision) => new()
        {
            Key = Low == 0 ? ByteString.CopyFrom(Stem) : ByteString.CopyFrom([.. Stem, (byte)Low]),
            RangeEnd = High < 256 ? ByteString.CopyFrom([.. Stem, (byte)High]) : AfterAll(Stem),
            Revision = revision,
        };

        private static ByteString AfterAll(byte[] stem)
        {
            var end = stem.AsSpan().TrimEnd((byte)0xFF).ToArray();
            end[^1]++;
            return ByteString.CopyFrom(end);
        }
    }
}
