using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Mvccpb;

namespace Dts.Master.Versions;

/// <summary>The versions that wait in etcd for the log store.</summary>
/// <param name="report">Called with each key that DTS did not write, and why; the key is skipped.</param>
internal sealed class WaitingVersions(EtcdClient etcd, Keys keys, Action<KeyValue, string> report)
{
    public async Task<IReadOnlyList<JobVersion>> ListAsync(JobName job, CancellationToken cancel) =>
        [.. (await ReadAsync(keys.VersionsOf(job), cancel)).Select(waiting => waiting.Version)];

    /// <summary>Those of all jobs with their keys, the oldest first.</summary>
    public Task<List<(KeyValue Key, JobVersion Version)>> ListAllAsync(CancellationToken cancel) => ReadAsync(keys.AllVersions, cancel);

    private async Task<List<(KeyValue Key, JobVersion Version)>> ReadAsync(string prefix, CancellationToken cancel)
    {
        var found = new List<(KeyValue, JobVersion)>();
        foreach (var pair in (await etcd.ListAsync(prefix, cancel)).OrderBy(pair => pair.ModRevision))
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
                if (saved.IsLarge && job is null)
                {
                    report(pair, "its definition is no longer in etcd");
                    continue;
                }

                found.Add((pair, new JobVersion(
                    $"{name}/{id}", name, pair.ModRevision, saved.At, new Author(saved.By, saved.From), saved.Former, job)));
            }
        }

        return found;
    }

    /// <summary>The job as it was at a revision; null = there was none that can be read, or etcd has forgotten it.</summary>
    /// <param name="revision">0 = now.</param>
    public async Task<(long Revision, Job Job)?> FindJobAsync(JobName name, long revision, CancellationToken cancel)
    {
        try
        {
            return await etcd.FindAsync(keys.Job(name), revision, cancel) is { } pair
                && JobJson.TryParse(pair.Value.Memory, out var job, out _)
                    ? (pair.ModRevision, job)
                    : null;
        }
        catch (EtcdException failure) when (failure.Error is EtcdError.Compacted)
        {
            return null;
        }
    }
}
