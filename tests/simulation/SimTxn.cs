using Etcdserverpb;
using Google.Protobuf;
using Mvccpb;
using Result = Etcdserverpb.Compare.Types.CompareResult;
using Target = Etcdserverpb.Compare.Types.CompareTarget;

namespace Dts.Tests.Simulation;

/// <summary>Carries out requests on the table, as etcd's applier does (etcdserver/apply.go).</summary>
/// <remarks>
/// All comparisons of a tree of transactions see the state before the request. They choose the branches first: the path, in the order in
/// which the tree is walked. Leases and revisions along the path are checked next. Only then is anything written.
/// </remarks>
internal sealed class SimTxn(SimKeys keys, SimLeases leases)
{
    private static readonly ResponseHeader NoRevision = new();

    private readonly List<bool> _path = [];
    private ResponseHeader _header = new();
    private int _at; // How much of the path has been walked.

    /// <summary>The answer has no header yet.</summary>
    public TxnResponse Execute(TxnRequest txn)
    {
        SimTxnRules.Check(txn);
        _path.Clear();
        Choose(txn);
        Walk(txn, operation => CheckLease(operation.RequestPut));
        Walk(txn, operation => CheckRevision(operation.RequestRange));
        _at = 0;
        var answer = Apply(txn);
        keys.Commit();
        return answer;
    }

    public void CheckLease(PutRequest? put)
    {
        if (put is { Lease: not 0 } && !leases.Has(put.Lease))
        {
            throw SimErrors.LeaseNotFound();
        }
    }

    public void CheckRevision(RangeRequest? range)
    {
        if (range is null or { Revision: 0 })
        {
            return;
        }

        if (range.Revision > keys.Revision)
        {
            throw SimErrors.FutureRevision();
        }

        if (range.Revision < keys.CompactRevision)
        {
            throw SimErrors.Compacted();
        }
    }

    public PutResponse Put(PutRequest put)
    {
        var former = keys.Put(put.Key, put.Value, put.Lease);
        return new PutResponse { Header = HeaderNow(), PrevKv = put.PrevKv ? former : null };
    }

    public DeleteRangeResponse DeleteRange(DeleteRangeRequest delete)
    {
        var range = new KeyRange(delete.Key, delete.RangeEnd);
        List<KeyValue> former = delete.PrevKv ? [.. keys.List(range).Select(key => key.Newest.Pair)] : [];
        var deleted = keys.Delete(range);
        return new DeleteRangeResponse { Deleted = deleted, PrevKvs = { former }, Header = HeaderNow() };
    }

    public RangeResponse Range(RangeRequest request)
    {
        var range = new KeyRange(request.Key, request.RangeEnd);
        var answer = new RangeResponse { Header = HeaderNow() };
        if (request.Revision > 0 && request.Revision < keys.ReadRevision)
        {
            var past = keys.ListAt(range, request.Revision);
            answer.Count = past.Count;
            past.ForEach(pair => AddTo(answer, pair, request));
            return answer;
        }

        var present = keys.List(range);
        answer.Count = present.Count;
        foreach (var key in present)
        {
            AddTo(answer, key.Newest.Pair, request);
            if (answer.More)
            {
                break;
            }
        }

        return answer;
    }

    private static void AddTo(RangeResponse answer, KeyValue pair, RangeRequest request)
    {
        if (request.CountOnly || pair.ModRevision < request.MinModRevision)
        {
            return;
        }

        if (request.Limit > 0 && answer.Kvs.Count >= request.Limit)
        {
            answer.More = true;
            return;
        }

        answer.Kvs.Add(request.KeysOnly ? new KeyValue(pair) { Value = ByteString.Empty } : pair);
    }

    private void Choose(TxnRequest txn)
    {
        var holds = true;
        for (var index = 0; holds && index < txn.Compare.Count; index++)
        {
            holds = Holds(txn.Compare[index]);
        }

        _path.Add(holds);
        foreach (var operation in holds ? txn.Success : txn.Failure)
        {
            if (operation.RequestTxn is { } nested)
            {
                Choose(nested);
            }
        }
    }

    /// <summary>
    /// Whether a comparison holds for all keys of its range. If there are none, 0 is compared; a comparison of values then fails.
    /// </summary>
    private bool Holds(Compare compare)
    {
        if (compare.RangeEnd.IsEmpty)
        {
            return keys.Find(compare.Key) is { } pair ? Holds(compare, pair) : HoldsForMissing(compare);
        }

        var found = keys.List(new KeyRange(compare.Key, compare.RangeEnd));
        return found.Count > 0 ? found.TrueForAll(key => Holds(compare, key.Newest.Pair)) : HoldsForMissing(compare);
    }

    private static bool HoldsForMissing(Compare compare) => compare.Target != Target.Value && Holds(compare, new KeyValue());

    private static bool Holds(Compare compare, KeyValue pair)
    {
        var order = compare.Target switch
        {
            Target.Value => KeyRange.Compare(pair.Value, compare.Value),
            Target.Create => pair.CreateRevision.CompareTo(compare.CreateRevision),
            Target.Mod => pair.ModRevision.CompareTo(compare.ModRevision),
            Target.Version => pair.Version.CompareTo(compare.Version),
            Target.Lease => pair.Lease.CompareTo(compare.Lease),
            var other => throw new NotSupportedException($"compare target {other}"),
        };
        return compare.Result switch
        {
            Result.Equal => order == 0,
            Result.NotEqual => order != 0,
            Result.Greater => order > 0,
            Result.Less => order < 0,
            var other => throw new NotSupportedException($"compare result {other}"),
        };
    }

    private void Walk(TxnRequest txn, Action<RequestOp> check)
    {
        _at = 0;
        WalkOn(txn);

        void WalkOn(TxnRequest tree)
        {
            foreach (var operation in _path[_at++] ? tree.Success : tree.Failure)
            {
                if (operation.RequestTxn is { } nested)
                {
                    WalkOn(nested);
                }
                else
                {
                    check(operation);
                }
            }
        }
    }

    private TxnResponse Apply(TxnRequest txn)
    {
        var answer = new TxnResponse { Header = NoRevision, Succeeded = _path[_at++] };
        foreach (var operation in answer.Succeeded ? txn.Success : txn.Failure)
        {
            answer.Responses.Add(operation.RequestCase switch
            {
                RequestOp.RequestOneofCase.RequestRange => new ResponseOp { ResponseRange = Range(operation.RequestRange) },
                RequestOp.RequestOneofCase.RequestPut => new ResponseOp { ResponsePut = Put(operation.RequestPut) },
                RequestOp.RequestOneofCase.RequestDeleteRange =>
                    new ResponseOp { ResponseDeleteRange = DeleteRange(operation.RequestDeleteRange) },
                _ => new ResponseOp { ResponseTxn = Apply(operation.RequestTxn) },
            });
        }

        return answer;
    }

    /// <summary>Answers of one revision share it.</summary>
    private ResponseHeader HeaderNow() =>
        _header.Revision == keys.ReadRevision ? _header : _header = new ResponseHeader { Revision = keys.ReadRevision };
}
