using Dts.Common.Etcd;
using Etcdserverpb;
using Google.Protobuf;
using Result = Etcdserverpb.Compare.Types.CompareResult;
using Target = Etcdserverpb.Compare.Types.CompareTarget;

namespace Dts.Tests.Simulation;

/// <summary>Random requests about few keys, so that they conflict: five keys in each of sixty spaces.</summary>
/// <param name="etcd">Says which revisions and values there are at the moment, so that comparisons hold often enough.</param>
internal sealed class RandomRequests(Random random, SimEtcd etcd)
{
    /// <summary>How many transactions <see cref="Packed"/> has, each in a space of its own.</summary>
    public const int SpacesMax = 60;

    private const int BusySpaces = 3;
    private const int KeysOfSpace = 5;
    private const int DepthMax = 3;

    private static readonly ByteString NoEnd = ByteString.CopyFrom(0);

    /// <summary>The leases that puts may use.</summary>
    public List<long> Leases { get; } = [];

    public static string Prefix(int space) => $"/{space:00}/";

    public int AnySpace() => random.Next(SpacesMax);

    /// <summary>One request with a random transaction in each space, and some more for the case that its condition does not hold.</summary>
    public TxnRequest Packed()
    {
        var spaces = Enumerable.Range(0, SpacesMax).ToArray();
        random.Shuffle(spaces);
        return new TxnRequest
        {
            Compare = { Compare(spaces[0]) },
            Success = { spaces.Select(space => Txn.Nested(Valid(space))) },
            Failure = { spaces.Take(10).Select(space => Txn.Nested(Valid(space))) },
        };
    }

    /// <summary>A request in the busy spaces. If etcd refuses it, it does so whatever its state.</summary>
    public IMessage Single() => random.Next(20) switch
    {
        0 => Put(Busy()),
        1 => Delete(Busy()),
        2 => Range(Busy()),
        3 => Malformed(),
        _ => Transaction(null, DepthMax),
    };

    /// <summary>A request that etcd refuses because of its state, if it is carried out at all.</summary>
    public IMessage Refused()
    {
        var operation = random.Next(3) switch
        {
            0 => new RequestOp { RequestPut = new PutRequest(Put(Busy())) { Lease = 1 + random.Next(1000) } },
            1 => new RequestOp { RequestRange = new RangeRequest(Range(Busy())) { Revision = etcd.Revision + 1 + random.Next(3) } },
            _ => new RequestOp { RequestRange = new RangeRequest(Range(Busy())) { Revision = 1 + random.Next((int)etcd.Revision) } },
        };
        if (random.Next(3) == 0)
        {
            return operation.RequestPut ?? (IMessage)operation.RequestRange;
        }

        var txn = Transaction(null, 1);
        (random.Next(2) == 0 ? txn.Success : txn.Failure).Add(operation);
        return random.Next(2) == 0 ? txn : new TxnRequest { Success = { Txn.Nested(txn), Operation(null, 0) } };
    }

    /// <summary>Two revisions out of three are in the past, one is yet to come.</summary>
    public long WatchFrom() => random.Next(3) == 0 ? etcd.Revision + random.Next(50) : PastRevision();

    public long PastRevision() => random.NextInt64(Math.Max(1, etcd.Keys.CompactRevision), etcd.Revision + 1);

    public long NewLease() => random.NextInt64(2000, long.MaxValue);

    public T OneOf<T>(IReadOnlyList<T> choices) => choices[random.Next(choices.Count)];

    private TxnRequest Valid(int space)
    {
        while (true)
        {
            var txn = Transaction(space, DepthMax - 1);
            try
            {
                SimTxnRules.Check(txn);
                return txn;
            }
            catch (EtcdException)
            {
                // It would be the end of all the others, too.
            }
        }
    }

    /// <param name="space">Null = any of the busy ones, each time.</param>
    private TxnRequest Transaction(int? space, int depth)
    {
        var txn = new TxnRequest();
        txn.Compare.AddRange(Some(2, () => Compare(space ?? Busy())));
        txn.Success.AddRange(Some(3, () => Operation(space, depth)));
        txn.Failure.AddRange(Some(3, () => Operation(space, depth)));
        return txn;
    }

    private RequestOp Operation(int? space, int depth)
    {
        var at = space ?? Busy();
        return random.Next(depth > 0 ? 10 : 8) switch
        {
            < 3 => new RequestOp { RequestPut = Put(at) },
            < 5 => new RequestOp { RequestDeleteRange = Delete(at) },
            < 8 => new RequestOp { RequestRange = Range(at) },
            _ => Txn.Nested(Transaction(space, depth - 1)),
        };
    }

    private PutRequest Put(int space) => new()
    {
        Key = Key(space),
        Value = Value(),
        Lease = Leases.Count > 0 && random.Next(4) == 0 ? OneOf(Leases) : 0,
        PrevKv = random.Next(3) == 0,
    };

    private DeleteRangeRequest Delete(int space)
    {
        var (key, end) = random.Next(3) == 0 ? Span(space) : (Key(space), ByteString.Empty);
        return new DeleteRangeRequest { Key = key, RangeEnd = end, PrevKv = random.Next(2) == 0 };
    }

    private RangeRequest Range(int space)
    {
        var (key, end) = random.Next(2) == 0 ? Span(space) : (Key(space), ByteString.Empty);
        return new RangeRequest
        {
            Key = key,
            RangeEnd = random.Next(50) == 0 ? NoEnd : end,
            Limit = random.Next(3) == 0 ? random.Next(4) : 0,
            KeysOnly = random.Next(3) == 0,
            CountOnly = random.Next(8) == 0,
            Revision = random.Next(3) == 0 ? PastRevision() : 0,
            MinModRevision = random.Next(4) == 0 ? PastRevision() : 0,
        };
    }

    private Compare Compare(int space)
    {
        var key = Key(space);
        var pair = etcd.Keys.Find(key);
        var known = pair is not null && random.Next(3) > 0;
        var compare = new Compare { Key = key, Result = (Result)random.Next(4), Target = (Target)random.Next(5) };
        switch (compare.Target)
        {
            case Target.Value:
                compare.Value = known ? pair!.Value : Value();
                break;
            case Target.Version:
                compare.Version = known ? pair!.Version : random.Next(3);
                break;
            case Target.Create:
                compare.CreateRevision = known ? pair!.CreateRevision : random.Next(2);
                break;
            case Target.Mod:
                compare.ModRevision = known ? pair!.ModRevision : PastRevision();
                break;
            default:
                compare.Lease = known ? pair!.Lease : 0;
                break;
        }

        if (random.Next(4) == 0)
        {
            (compare.Key, compare.RangeEnd) = Span(space);
        }

        return compare;
    }

    private IMessage Malformed()
    {
        IMessage[] requests =
        [
            new PutRequest { Value = Value() },
            new RangeRequest(),
            new DeleteRangeRequest(),
            Txn.All([Txn.Put("/00/a", "1"), new RequestOp { RequestPut = new PutRequest() }]),
            Txn.All([Txn.Nested(Txn.All([new RequestOp { RequestDeleteRange = new DeleteRangeRequest() }]))]),
            Txn.If(new Compare { Target = Target.Version }).Else(Txn.Get("/00/a")),
            new TxnRequest { Failure = { new RequestOp() } },
            Txn.All(Gets(random.Next(126, 131))),
            Txn.All([Txn.Nested(Txn.All(Gets(28))), .. Gets(random.Next(97, 102))]),
        ];
        return OneOf(requests);

        static IEnumerable<RequestOp> Gets(int count) => Enumerable.Repeat(Txn.Get("/00/a"), count);
    }

    /// <summary>The whole space, or a part of it, which may be empty.</summary>
    private (ByteString Key, ByteString End) Span(int space) => random.Next(3) switch
    {
        0 => (Txn.Bytes(Prefix(space)), Txn.EndOf(Prefix(space))),
        1 => (Key(space), Txn.EndOf(Prefix(space))),
        _ => (Key(space), Key(space)),
    };

    private int Busy() => random.Next(BusySpaces);

    private ByteString Key(int space) => Txn.Bytes($"{Prefix(space)}{(char)('a' + random.Next(KeysOfSpace))}");

    private ByteString Value() => Txn.Bytes(new string((char)('0' + random.Next(3)), random.Next(3)));

    private List<T> Some<T>(int max, Func<T> make) => [.. Enumerable.Range(0, random.Next(max + 1)).Select(_ => make())];
}
