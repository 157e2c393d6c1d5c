using Etcdserverpb;
using Google.Protobuf;
using Result = Etcdserverpb.Compare.Types.CompareResult;
using Target = Etcdserverpb.Compare.Types.CompareTarget;

namespace Dts.Common.Etcd;

/// <summary>Builds etcd transactions.</summary>
public static class Txn
{
    public static TxnRequest If(params Compare[] conditions) => new() { Compare = { conditions } };

    /// <summary>A transaction without a condition.</summary>
    public static TxnRequest All(IEnumerable<RequestOp> operations) => new() { Success = { operations } };

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

    public static Compare Unchanged(string key, long modRevision) =>
        new() { Key = Bytes(key), Target = Target.Mod, Result = Result.Equal, ModRevision = modRevision };

    public static Compare Missing(string key) =>
        new() { Key = Bytes(key), Target = Target.Create, Result = Result.Equal, CreateRevision = 0 };

    public static Compare Exists(string key) =>
        new() { Key = Bytes(key), Target = Target.Create, Result = Result.Greater, CreateRevision = 0 };

    /// <summary>The key is attached to this lease; false when it is missing.</summary>
    public static Compare HasLease(string key, LeaseId lease) =>
        new() { Key = Bytes(key), Target = Target.Lease, Result = Result.Equal, Lease = lease.Value };

    /// <summary>True exactly when there is no key under the prefix.</summary>
    public static Compare NoneUnder(string prefix) => new()
    {
        Key = Bytes(prefix), RangeEnd = EndOf(prefix), Target = Target.Create, Result = Result.Equal, CreateRevision = 0,
    };

    /// <summary>True exactly when no key under the prefix was put after a revision.</summary>
    public static Compare NoneChangedUnder(string prefix, long revision) => new()
    {
        Key = Bytes(prefix), RangeEnd = EndOf(prefix), Target = Target.Mod, Result = Result.Less, ModRevision = revision + 1,
    };

    /// <summary>Byte order; false when the key is missing.</summary>
    public static Compare ValueBelow(string key, string value) => CompareValue(key, Result.Less, Bytes(value));

    /// <summary>Byte order; false when the key is missing.</summary>
    public static Compare ValueAbove(string key, string value) => CompareValue(key, Result.Greater, Bytes(value));

    public static Compare ValueIs(string key, ByteString value) => CompareValue(key, Result.Equal, value);

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

    private static Compare CompareValue(string key, Result result, ByteString value) =>
        new() { Key = Bytes(key), Target = Target.Value, Result = result, Value = value };

    public static ByteString Bytes(string text) => ByteString.CopyFromUtf8(text);

    /// <summary>The first key after all that begin with the prefix. Prefixes end in ASCII here, so its last byte can be raised.</summary>
    public static ByteString EndOf(string prefix)
    {
        var end = Bytes(prefix).ToByteArray();
        end[^1]++;
        return ByteString.CopyFrom(end);
    }
}
