using Dts.Common.Etcd.Wire;
using Google.Protobuf;

namespace Dts.Common.Etcd;

/// <summary>Writes etcd transactions so that they read as what they mean.</summary>
public static class Txn
{
    public static TxnRequest If(params Compare[] conditions)
    {
        var txn = new TxnRequest();
        txn.Compare.AddRange(conditions);
        return txn;
    }

    /// <summary>Operations without a condition, done together.</summary>
    public static TxnRequest All(IEnumerable<RequestOp> operations)
    {
        var txn = new TxnRequest();
        txn.Success.AddRange(operations);
        return txn;
    }

    public static TxnRequest Then(this TxnRequest txn, params RequestOp[] operations)
    {
        txn.Success.AddRange(operations);
        return txn;
    }

    public static TxnRequest Else(this TxnRequest txn, params RequestOp[] operations)
    {
        txn.Failure.AddRange(operations);
        return txn;
    }

    public static Compare Unchanged(string key, long modRevision) => new()
    {
        Key = Bytes(key),
        Target = Compare.Types.CompareTarget.Mod,
        Result = Compare.Types.CompareResult.Equal,
        ModRevision = modRevision,
    };

    public static Compare Missing(string key) => new()
    {
        Key = Bytes(key),
        Target = Compare.Types.CompareTarget.Create,
        Result = Compare.Types.CompareResult.Equal,
        CreateRevision = 0,
    };

    /// <summary>True exactly when there is no key under the prefix.</summary>
    public static Compare NoneUnder(string prefix)
    {
        var compare = Missing(prefix);
        compare.RangeEnd = EndOf(prefix);
        return compare;
    }

    /// <summary>Byte order; false when the key is missing.</summary>
    public static Compare ValueBelow(string key, string value) => new()
    {
        Key = Bytes(key),
        Target = Compare.Types.CompareTarget.Value,
        Result = Compare.Types.CompareResult.Less,
        Value = Bytes(value),
    };

    public static RequestOp Get(string key) => new() { RequestRange = new RangeRequest { Key = Bytes(key) } };

    public static RequestOp List(string prefix, bool keysOnly = false) =>
        new() { RequestRange = new RangeRequest { Key = Bytes(prefix), RangeEnd = EndOf(prefix), KeysOnly = keysOnly } };

    public static RequestOp Put(string key, string value, LeaseId lease = default) => Put(key, Bytes(value), lease);

    public static RequestOp Put(string key, ByteString value, LeaseId lease = default) =>
        new() { RequestPut = new PutRequest { Key = Bytes(key), Value = value, Lease = lease.Value } };

    public static RequestOp Delete(string key) => new() { RequestDeleteRange = new DeleteRangeRequest { Key = Bytes(key) } };

    public static RequestOp Nested(TxnRequest txn) => new() { RequestTxn = txn };

    internal static ByteString Bytes(string text) => ByteString.CopyFromUtf8(text);

    /// <summary>The first key after all that begin with the prefix. Prefixes end in ASCII here, so its last byte can be raised.</summary>
    internal static ByteString EndOf(string prefix)
    {
        var end = Bytes(prefix).ToByteArray();
        end[^1]++;
        return ByteString.CopyFrom(end);
    }
}
