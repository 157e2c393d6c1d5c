using System.Numerics;
using System.Runtime.CompilerServices;
using Etcdserverpb;
using Google.Protobuf;
using Mvccpb;

namespace Dts.Common.Etcd;

/// <summary>Reads all keys of a range at one revision, however many there are.</summary>
/// <remarks>
/// <para>Constraint: for each read etcd looks at all keys of the range, also behind <c>limit</c>, so paging is quadratic.</para>
/// <para>Scheme: a large range is cut into parts before it is read, by counting, which is cheap. A key is read as a number, so any range
/// can be split. A part begins where the one before it ends, at first with the same width. With too many keys it is narrowed; with few,
/// the next part is wider. With slightly too many it is read up to a limit, because keys cluster. A few parts are read at a time. A
/// small table takes one read.</para>
/// </remarks>
public static class TableLoader
{
    private const int KeysAtOnce = 5000;
    private const int KeysInPart = 2000;
    private const int KeysInSight = 20 * KeysInPart; // How many keys a limited read may look at.
    private const int ReadsInFlight = 4;

    public static async Task<(List<KeyValue> Keys, long Revision)> LoadAsync(
        EtcdClient etcd, string prefix, CancellationToken cancel, bool keysOnly = false)
    {
        List<KeyValue> keys = [];
        var revision = 0L;
        await foreach (var part in ReadAsync(etcd, Under(prefix, keysOnly), cancel))
        {
            keys.AddRange(part.Keys);
            revision = part.Revision;
        }

        return (keys, revision);
    }

    /// <summary>A read of all keys that begin with a prefix.</summary>
    public static RangeRequest Under(string prefix, bool keysOnly = false) =>
        new() { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix), KeysOnly = keysOnly };

    /// <summary>The key that follows a key: nothing is between them.</summary>
    public static ByteString After(ByteString key) => ByteString.CopyFrom([.. key.Span, 0]);

    /// <summary>Reads the keys part by part, in their order.</summary>
    /// <param name="table">Its revision, 0 for the latest, is that of all parts.</param>
    public static async IAsyncEnumerable<TablePart> ReadAsync(
        EtcdClient etcd, RangeRequest table, [EnumeratorCancellation] CancellationToken cancel)
    {
        var limited = table.Clone();
        limited.Limit = KeysAtOnce;
        var first = await etcd.RangeAsync(limited, cancel);
        var revision = table.Revision > 0 ? table.Revision : first.Header.Revision;
        yield return new TablePart(first.Kvs, revision, first.Count, IsLast: !first.More);
        if (!first.More)
        {
            yield break;
        }

        var reads = new Queue<Task<RangeResponse>>();
        var pieces = new Pieces(etcd, table, first, revision);
        var isEnd = false;
        while (!isEnd || reads.Count > 0)
        {
            while (!isEnd && reads.Count < ReadsInFlight)
            {
                var piece = await pieces.NextAsync(cancel);
                isEnd = piece is null;
                if (piece is not null)
                {
                    reads.Enqueue(piece.Answer);
                }
            }

            if (reads.TryDequeue(out var read))
            {
                var answer = await read;
                yield return new TablePart(answer.Kvs, revision, first.Count, IsLast: isEnd && reads.Count == 0);
            }
        }
    }

    private sealed record Piece(Task<RangeResponse> Answer);

    /// <summary>Cuts what a first read has left of a table into pieces of at most <see cref="KeysInPart"/> keys.</summary>
    private sealed class Pieces(EtcdClient etcd, RangeRequest table, RangeResponse first, long revision)
    {
        private const int DigitsMax = 256; // Bytes of a key that count in its number: more than DTS's keys have.

        private readonly BigInteger _end = NumberOf(table.RangeEnd);
        private BigInteger _at = NumberOf(first.Kvs[^1].Key);
        private BigInteger _width = BigInteger.Max(1, NumberOf(first.Kvs[^1].Key) - NumberOf(first.Kvs[0].Key));
        private ByteString _from = After(first.Kvs[^1].Key);
        private ByteString _countedTo = After(first.Kvs[^1].Key);
        private long _counted; // Keys from _from on and before _countedTo.

        /// <summary>Null = that was the last piece.</summary>
        public async Task<Piece?> NextAsync(CancellationToken cancel)
        {
            while (_at < _end)
            {
                var next = BigInteger.Min(_at + _width, _end);
                var to = next == _end ? table.RangeEnd : KeyOf(next);
                var request = Read(_countedTo, to);
                request.CountOnly = true;
                var count = (await etcd.RangeAsync(request, cancel)).Count;
                if (count > KeysInSight && _width > 1)
                {
                    _width = BigInteger.Max(1, _width * (KeysInPart / 2) / count);
                    continue;
                }

                var full = _counted > 0 && _counted + count > KeysInPart ? Begin(Read(_from, _countedTo), cancel) : null;
                if (count > KeysInPart && _width > 1)
                {
                    if (full is null)
                    {
                        return await ReadSomeAsync(to, count, cancel);
                    }

                    (_from, _counted) = (_countedTo, 0);
                    return full;
                }

                (_from, _counted) = full is null ? (_from, _counted + count) : (_countedTo, count);
                (_at, _countedTo) = (next, to);
                _width *= count == 0 ? 16 : count < KeysInPart / 4 ? 4 : 1;
                if (full is not null)
                {
                    return full;
                }
            }

            var last = _counted > 0 ? Begin(Read(_from, _countedTo), cancel) : null;
            _counted = 0;
            return last;
        }

        /// <summary>
        /// Reads the next keys up to a limit. The next piece is narrower by as much as this one had too many keys, but not as narrow as the
        /// keys that were read: in a cluster they are close to each other, and the gap behind it would take hundreds of steps.
        /// </summary>
        private async Task<Piece> ReadSomeAsync(ByteString to, long count, CancellationToken cancel)
        {
            var read = Read(_countedTo, to);
            read.Limit = KeysInPart;
            var some = await etcd.RangeAsync(read, cancel);
            _at = NumberOf(some.Kvs[^1].Key);
            _width = BigInteger.Max(1, _width * (KeysInPart * 3 / 4) / count);
            _from = _countedTo = After(some.Kvs[^1].Key);
            return new Piece(Task.FromResult(some));
        }

        private Piece Begin(RangeRequest read, CancellationToken cancel) => new(etcd.RangeAsync(read, cancel));

        private RangeRequest Read(ByteString from, ByteString to)
        {
            var read = table.Clone();
            (read.Key, read.RangeEnd, read.Revision) = (from, to, revision);
            return read;
        }

        /// <summary>A key as a number. The order of numbers is that of keys; keys that are equal up to the last digit are equal.</summary>
        private static BigInteger NumberOf(ByteString key)
        {
            var digits = new byte[DigitsMax];
            key.Span[..Math.Min(key.Length, DigitsMax)].CopyTo(digits);
            return new BigInteger(digits, isUnsigned: true, isBigEndian: true);
        }

        /// <summary>The first key of a number.</summary>
        private static ByteString KeyOf(BigInteger number)
        {
            var digits = number.ToByteArray(isUnsigned: true, isBigEndian: true);
            return ByteString.CopyFrom([.. new byte[DigitsMax - digits.Length], .. digits.AsSpan().TrimEnd((byte)0)]);
        }
    }
}

/// <summary>Keys of a table, in their order.</summary>
/// <param name="Revision">The revision at which all parts are read.</param>
/// <param name="Count">How many keys the whole table has.</param>
public readonly record struct TablePart(IReadOnlyList<KeyValue> Keys, long Revision, long Count, bool IsLast);
