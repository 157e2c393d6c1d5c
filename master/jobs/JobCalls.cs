using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;
using Google.Protobuf.Collections;
using Mvccpb;

namespace Dts.Master.Jobs;

/// <summary>Reads jobs from etcd and writes their changes. What several requests want at a time goes in one call.</summary>
/// <remarks>
/// Thread-safe. etcd evaluates all comparisons of a request against the state before it, and puts no key twice. So one request never has
/// two changes of one job, and a change with conditions on other jobs goes alone: two could make a cycle of dependents.
/// </remarks>
internal sealed class JobCalls
{
    /// <summary>etcd accepts 128 operations in a transaction.</summary>
    public const int JobsInRequest = 126 / JobInEtcd.ReadCount;

    private const int BytesBesideOthers = 32 << 10; // etcd accepts 1.5 MiB.
    private const int OperationsBesideOthers = 100; // With those of the request itself, 128 lie on one path (mode all: a cursor a worker).

    private readonly EtcdClient _etcd;
    private readonly Keys _keys;
    private readonly ForeignValues _foreign;
    private readonly JoinedCalls<JobName, JobInEtcd> _reads;
    private readonly JoinedCalls<Change, long?> _changes;

    public JobCalls(EtcdClient etcd, Keys keys, ForeignValues foreign)
    {
        (_etcd, _keys, _foreign) = (etcd, keys, foreign);
        _reads = new JoinedCalls<JobName, JobInEtcd>(JobsInRequest, names => ReadAsync(names, CancellationToken.None));
        _changes = new JoinedCalls<Change, long?>(JobsInRequest, WriteAsync);
    }

    public Task<JobInEtcd> ReadAsync(JobName name, CancellationToken cancel) => _reads.AskAsync(name, cancel);

    /// <param name="names">At most <see cref="JobsInRequest"/>.</param>
    public async Task<IReadOnlyList<JobInEtcd>> ReadAsync(IEnumerable<JobName> names, CancellationToken cancel)
    {
        var reads = Txn.All([.. names.SelectMany(name => JobInEtcd.ReadsOf(_keys, name)), Txn.List(_keys.Workers)]);
        var answer = await _etcd.TxnAsync(reads, repeatable: true, cancel);
        var found = answer.Responses.Select(response => response.ResponseRange.Kvs).ToList();
        return [.. found[..^1].Chunk(JobInEtcd.ReadCount).Select(ofJob => Read(ofJob, found[^1]))];
    }

    /// <summary>Makes a change of a job, and returns etcd's revision of it; null = the state is no longer the one that was read.</summary>
    /// <param name="others">Conditions on other jobs.</param>
    public async Task<long?> WriteAsync(JobName name, TxnRequest change, IReadOnlyList<Compare> others, CancellationToken cancel)
    {
        if (others.Count == 0
            && Math.Max(change.Compare.Count, change.Success.Count) <= OperationsBesideOthers
            && change.CalculateSize() <= BytesBesideOthers)
        {
            return await _changes.AskAsync(new Change(name, change), cancel);
        }

        change.Compare.AddRange(others);
        var answer = await _etcd.TxnAsync(change, cancel: cancel);
        return answer.Succeeded ? answer.Header.Revision : null;
    }

    /// <summary>Null = the value is not a job; the log names it.</summary>
    public Job? Parse(KeyValue pair)
    {
        if (!JobJson.TryParse(pair.Value.Memory, out var job, out var why))
        {
            _foreign.Report(pair, why);
        }

        return job;
    }

    private async Task<IReadOnlyList<long?>> WriteAsync(IReadOnlyList<Change> changes)
    {
        List<Change> first = [.. changes.DistinctBy(change => change.Name)]; // A second change of a job finds another job than it read.
        var request = Txn.All(first.Select(change => Txn.Nested(change.Txn)));

        // Never carried out, because there is no condition. But an etcd that is out of space refuses only what could put a key outside
        // nested transactions.
        request.Else(Txn.Put(_keys.Job(first[0].Name), ""));
        var answer = await _etcd.TxnAsync(request);
        var written = first.Zip(answer.Responses)
            .Where(one => one.Second.ResponseTxn.Succeeded).Select(one => one.First).ToHashSet(ReferenceEqualityComparer.Instance);
        return [.. changes.Select(change => written.Contains(change) ? answer.Header.Revision : (long?)null)];
    }

    private JobInEtcd Read(RepeatedField<KeyValue>[] found, RepeatedField<KeyValue> workers)
    {
        var (job, history) = (One(found[0]), One(found[3]));
        return new JobInEtcd(
            job, job is null ? null : Parse(job), One(found[1]), found[2], history, ParseChanges(history), found[4], workers);

        static KeyValue? One(RepeatedField<KeyValue> pairs) => pairs.Count > 0 ? pairs[0] : null;
    }

    private IReadOnlyList<ScheduleChange> ParseChanges(KeyValue? pair)
    {
        if (pair is null)
        {
            return [];
        }

        if (!Documents.TryReadHistory(pair.Value.Span, out var changes, out var why))
        {
            _foreign.Report(pair, why);
        }

        return changes ?? [];
    }

    private sealed record Change(JobName Name, TxnRequest Txn);
}
