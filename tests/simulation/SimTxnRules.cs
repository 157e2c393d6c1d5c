using Etcdserverpb;
using Google.Protobuf;
using Google.Protobuf.Collections;

namespace Dts.Tests.Simulation;

/// <summary>
/// Refuses requests that etcd refuses whatever its state (api/v3rpc/key.go), and, with another exception, those that
/// <see cref="SimEtcd"/> cannot answer.
/// </summary>
internal static class SimTxnRules
{
    private const int OperationsMax = 128; // Along a path of nested transactions.

    [ThreadStatic]
    private static HashSet<ByteString>? _written;

    private static HashSet<ByteString> Written => _written ??= [];

    public static void Check(TxnRequest txn)
    {
        Check(txn, OperationsMax);
        Written.Clear();
        if (!AreDistinct(txn, Written))
        {
            FindWrites(txn.Success);
            FindWrites(txn.Failure);
        }
    }

    public static void Check(RangeRequest range)
    {
        CheckKey(range.Key);
        Support(range.SortOrder == RangeRequest.Types.SortOrder.None, "sort_order");
        Support(range.SortTarget == RangeRequest.Types.SortTarget.Key, "sort_target");
        Support(!range.Serializable, "serializable");
        Support(range is { MaxModRevision: 0, MinCreateRevision: 0, MaxCreateRevision: 0 }, "max_mod_revision and create revisions");
        Support(range.Revision >= 0, "a negative revision");
    }

    public static void Check(PutRequest put)
    {
        CheckKey(put.Key);
        Support(put is { IgnoreValue: false, IgnoreLease: false }, "ignore_value and ignore_lease");
    }

    public static void Check(DeleteRangeRequest delete)
    {
        CheckKey(delete.Key);

        // etcd would overlook that such a range overlaps with the puts of its transaction.
        Support(!new KeyRange(delete.Key, delete.RangeEnd).HasNoEnd, "deletion of a range without an end");
    }

    private static void Check(TxnRequest txn, int operationsMax)
    {
        var count = Math.Max(txn.Compare.Count, Math.Max(txn.Success.Count, txn.Failure.Count));
        if (count > operationsMax)
        {
            throw SimErrors.TooManyOperations();
        }

        foreach (var compare in txn.Compare)
        {
            CheckKey(compare.Key);
        }

        Check(txn.Success, operationsMax - count);
        Check(txn.Failure, operationsMax - count);
    }

    private static void Check(RepeatedField<RequestOp> operations, int operationsMax)
    {
        foreach (var operation in operations)
        {
            switch (operation.RequestCase)
            {
                case RequestOp.RequestOneofCase.RequestRange:
                    Check(operation.RequestRange);
                    break;
                case RequestOp.RequestOneofCase.RequestPut:
                    Check(operation.RequestPut);
                    break;
                case RequestOp.RequestOneofCase.RequestDeleteRange:
                    Check(operation.RequestDeleteRange);
                    break;
                case RequestOp.RequestOneofCase.RequestTxn:
                    Check(operation.RequestTxn, operationsMax);
                    break;
                default:
                    throw SimErrors.EmptyOperation();
            }
        }
    }

    /// <summary>Whether no key stands in two puts or deletions of the whole tree, so that the branches need not be told apart.</summary>
    private static bool AreDistinct(TxnRequest txn, HashSet<ByteString> keys) =>
        AreDistinct(txn.Success, keys) && AreDistinct(txn.Failure, keys);

    private static bool AreDistinct(RepeatedField<RequestOp> operations, HashSet<ByteString> keys)
    {
        foreach (var operation in operations)
        {
            var isDistinct = operation.RequestCase switch
            {
                RequestOp.RequestOneofCase.RequestPut => keys.Add(operation.RequestPut.Key),
                RequestOp.RequestOneofCase.RequestDeleteRange =>
                    operation.RequestDeleteRange.RangeEnd.IsEmpty && keys.Add(operation.RequestDeleteRange.Key),
                RequestOp.RequestOneofCase.RequestTxn => AreDistinct(operation.RequestTxn, keys),
                _ => true,
            };
            if (!isDistinct)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// The keys that a branch may put or delete. etcd refuses a branch that may put a key twice, or put a key and delete it.
    /// </summary>
    private static Writes FindWrites(RepeatedField<RequestOp> operations)
    {
        var writes = new Writes();
        foreach (var operation in operations)
        {
            if (operation.RequestDeleteRange is { } delete)
            {
                writes.Deleted.Add(new KeyRange(delete.Key, delete.RangeEnd));
            }
        }

        foreach (var operation in operations)
        {
            if (operation.RequestTxn is { } nested)
            {
                writes.Add(FindWrites(nested.Success), FindWrites(nested.Failure));
            }
        }

        foreach (var operation in operations)
        {
            if (operation.RequestPut is { } put)
            {
                writes.Put(put.Key);
            }
        }

        return writes;
    }

    private static void CheckKey(ByteString key)
    {
        if (key.IsEmpty)
        {
            throw SimErrors.EmptyKey();
        }
    }

    private static void Support(bool condition, string what)
    {
        if (!condition)
        {
            throw new NotSupportedException($"SimEtcd does not know {what}");
        }
    }

    private sealed class Writes
    {
        private readonly HashSet<ByteString> _put = [];

        public List<KeyRange> Deleted { get; } = [];

        public void Put(ByteString key)
        {
            if (_put.Contains(key))
            {
                throw SimErrors.DuplicateKey();
            }

            PutAlso(key);
        }

        /// <summary>
        /// Adds a nested transaction. Its branches exclude each other, so both may put a key. Its deletions count against its later
        /// siblings and the operations beside it, not against its earlier siblings.
        /// </summary>
        public void Add(Writes then, Writes otherwise)
        {
            foreach (var key in then._put)
            {
                Put(key);
            }

            foreach (var key in otherwise._put)
            {
                if (then._put.Contains(key))
                {
                    PutAlso(key);
                }
                else
                {
                    Put(key);
                }
            }

            Deleted.AddRange(then.Deleted);
            Deleted.AddRange(otherwise.Deleted);
        }

        private void PutAlso(ByteString key)
        {
            foreach (var range in Deleted)
            {
                if (range.Contains(key))
                {
                    throw SimErrors.DuplicateKey();
                }
            }

            _put.Add(key);
        }
    }
}
