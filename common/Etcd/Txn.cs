using Etcdserverpb;
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

    /// <summary>The key is attached to this lease; false when it is missing.</summary>
    public static Compare HasLease(string key, LeaseId lease) => new()
    {
        Key = Bytes(key),
        Target = Compare.Types.CompareTarget.Lease,
        Result = Compare.Types.CompareResult.Equal,
        Lease = lease.Value,
    };

    public static Compare Exists(string key)
    {
        var compare = Missing(key);
        compare.Result = Compare.Types.CompareResult.Greater;
        return compare;
    }

    /// <summary>True exactly when there is no key under the prefix.</summary>
    public static Compare NoneUnder(string prefix)
    {
        var compare = Missing(prefix);
        compare.RangeEnd = EndOf(prefix);
        return compare;
    }

    /// <summary>True exactly when no key under the prefix was put after a revision.</summary>
    public static Compare NoneChangedUnder(string prefix, long revision)
    {
        var compare = Unchanged(prefix, revision + 1);
        compare.Result = Compare.Types.CompareResult.Less;
        compare.RangeEnd = EndOf(prefix);
        return compare;
    }

    /// <summary>Byte order; false when the key is missing.</summary>
    public static Compare ValueBelow(string key, string value) => CompareValue(key, Compare.Types.CompareResult.Less, Bytes(value));

    /// <summary>Byte order; false when the key is missing.</summary>
    public static Compare ValueAbove(string key, string value) => CompareValue(key, Compare.Types.CompareResult.Greater, Bytes(value));

    public static Compare ValueIs(string key, ByteString value) => CompareValue(key, Compare.Types.CompareResult.Equal, value);

    /// <param name="revision">The revision to read at; 0 = the latest.</param>
    public static RequestOp Get(string key, long revision = 0) =>
        new() { RequestRange = new RangeRequest { Key = Bytes(key), Revision = revision } };

    public static RequestOp List(string prefix, bool keysOnly = false) =>
        new() { RequestRange = new RangeRequest { Key = Bytes(prefix), RangeEnd = EndOf(prefix), KeysOnly = keysOnly } };

    public static RequestOp Put(string key, string value, LeaseId lease = default) => Put(key, Bytes(value), lease);

    public static RequestOp Put(string key, ByteString value, LeaseId lease = default) =>
        new() { RequestPut = new PutRequest { Key = Bytes(key), Value = value, Lease = lease.Value } };

    public static RequestOp Delete(string key) => new() { RequestDeleteRange = new DeleteRangeRequest { Key = Bytes(key) } };

    public static RequestOp Nested(TxnRequest txn) => new() { RequestTxn = txn };

    private static Compare CompareValue(string key, Compare.Types.CompareResult result, ByteString value) => new()
    {
        Key = Bytes(key),
        Target = Compare.Types.CompareTarget.Value,
        Result = result,
        Value = value,
    };

    public static ByteString Bytes(string text) => ByteString.CopyFromUtf8(text);

    /// <summary>The first key after all that begin with the prefix. Prefixes end in ASCII here, so its last byte can be raised.</summary>
    public static ByteString EndOf(string prefix)
    {
        var end = Bytes(prefix).ToByteArray();
        end[^1]++;
        return ByteString.CopyFrom(end);
    }
}
