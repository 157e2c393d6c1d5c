using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Mvccpb;

namespace Dts.Master.Versions;

/// <summary>The versions that wait in etcd for the log store.</summary>
/// <param name="report">Called with each key that DTS did not write, and why; the key is skipped until it is among the oldest.</param>
internal sealed class WaitingVersions(EtcdClient etcd, Keys keys, Action<KeyValue, string> report)
{
    /// <summary>The waiting versions of a job, the oldest save first.</summary>
    public async Task<IReadOnlyList<JobVersion>> ListAsync(JobName job, CancellationToken cancel)
    {
        var pairs = (await etcd.ListAsync(keys.VersionsOf(job), cancel)).OrderBy(pair => pair.ModRevision);
        return [.. (await ReadAsync(pairs, cancel)).Select(waiting => waiting.Version)];
    }

    /// <summary>The keys of all waiting versions without their values, the oldest save first; also keys that DTS did not write.</summary>
    public async Task<IReadOnlyList<KeyValue>> ListKeysAsync(CancellationToken cancel)
    {
        var (found, _) = await TableLoader.LoadAsync(etcd, keys.AllVersions, cancel, keysOnly: true);
        return [.. found.OrderBy(pair => pair.ModRevision)];
    }

    /// <summary>The job that a key names; null = it does not name one.</summary>
    public string? JobOf(KeyValue pair) => Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllVersions)?.Name.Value;

    /// <summary>Some keys with their values; a key that is gone is left out.</summary>
    public async Task<IReadOnlyList<KeyValue>> LoadAsync(IEnumerable<KeyValue> some, CancellationToken cancel)
    {
        var gets = Txn.All(some.Select(pair => Txn.Get(pair.Key.ToStringUtf8())));
        var answer = await etcd.TxnAsync(gets, repeatable: true, cancel);
        return [.. answer.Responses.SelectMany(response => response.ResponseRange.Kvs)];
    }

    /// <summary>Reads versions from keys and their values.</summary>
    public async Task<List<(KeyValue Key, JobVersion Version)>> ReadAsync(IEnumerable<KeyValue> pairs, CancellationToken cancel)
    {
        var found = new List<(KeyValue, JobVersion)>();
        foreach (var pair in pairs)
        {
            if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllVersions) is not var (name, id))
            {
                report(pair, "the key names no version of a job");
            }
            else if (SavedVersion.TryRead(pair.Value.Span, out var why) is not { } saved)
            {
                report(pair, why);
            }
            else
            {
                var job = saved.IsLarge ? (await FindJobAsync(name, pair.ModRevision, cancel))?.Job : saved.Job;
                var author = new Author(saved.By, saved.From);
                found.Add((pair, new JobVersion(
                    $"{name}/{id}", name, pair.ModRevision, saved.At, author, saved.Former, job, IsLost: saved.IsLarge && job is null)));
            }
        }

        return found;
    }

    /// <summary>The job at a revision; null = there was none that can be read, or the revision is compacted.</summary>
    /// <param name="revision">0 = now.</param>
    public async Task<(long Revision, Job Job)?> FindJobAsync(JobName name, long revision, CancellationToken cancel)
    {
        try
        {
            return Read(await etcd.FindAsync(keys.Job(name), revision, cancel));
        }
        catch (EtcdException failure) when (failure.Error is EtcdError.Compacted)
        {
            // etcd has the present value of a key, even if its revision is compacted.
            return Read(await etcd.FindAsync(keys.Job(name), cancel: cancel)) is { } now && now.Revision == revision ? now : null;
        }

        static (long Revision, Job Job)? Read(KeyValue? pair) =>
            pair is not null && JobJson.TryParse(pair.Value.Memory, out var job, out _) ? (pair.ModRevision, job) : null;
    }
}
