using Dts.Common.Jobs;

namespace Dts.Master.Versions;

/// <summary>The versions of a job, in the log store and still in etcd.</summary>
internal sealed class VersionHistory(WaitingVersions waiting, IVersionStore store, TimeProvider time) : IDisposable
{
    private const int AtOnce = 4; // A store that hangs costs so many threads.

    private readonly SemaphoreSlim _room = new(AtOnce);

    /// <summary>Up to <paramref name="limit"/> versions, the latest first.</summary>
    /// <param name="after">Where the page before ended.</param>
    public async Task<IReadOnlyList<JobVersion>> ListAsync(JobName job, VersionCursor? after, int limit, CancellationToken cancel)
    {
        // In the order in which a version moves: one that is saved or moved meanwhile is found twice, not missed.
        var current = after is null ? await waiting.FindJobAsync(job, revision: 0, cancel) : null;
        var inEtcd = await waiting.ListAsync(job, cancel);
        var stored = await AskAsync(() => store.ListAsync(job, after, limit, cancel), cancel);
        var latest = after is null || inEtcd.Count == 0
            ? stored is [var last, ..] ? last : null
            : await AskAsync(() => store.ListAsync(job, null, 1, cancel), cancel) is [var latestStored] ? latestStored : null;
        var waits = JobVersion.InOrder(latest, inEtcd).Where(version => after is not { } place || version.Place.CompareTo(place) < 0);
        var all = stored.Concat(waits).DistinctBy(version => version.Id);
        var found = all.OrderByDescending(version => version.Place).Take(limit).ToList();
        return current is var (revision, now) && IsUnsaved(revision, now, found)
            ? [JobVersion.Found(job, revision, time.GetUtcNow(), now).After(found.FirstOrDefault()), .. found.Take(limit - 1)]
            : found;
    }

    /// <summary>The version of a revision; null = there is none, or it is no longer kept.</summary>
    public async Task<JobVersion?> FindAsync(JobName job, long revision, CancellationToken cancel) =>
        (await waiting.ListAsync(job, cancel)).FirstOrDefault(version => version.Revision == revision)
        ?? await AskAsync(() => store.FindAsync(job, revision, cancel), cancel)
        ?? (await waiting.FindJobAsync(job, revision, cancel) is var (found, definition) && found == revision
            ? JobVersion.Found(job, revision, time.GetUtcNow(), definition)
            : null);

    public void Dispose() => _room.Dispose();

    /// <summary>True if the present job is not one of its versions.</summary>
    private static bool IsUnsaved(long revision, Job now, List<JobVersion> latestFirst) =>
        latestFirst is not [var latest, ..]
        || (revision > latest.Revision && (latest.Job is not { } known || JobJson.ToJson(known) != JobJson.ToJson(now)));

    private async Task<T> AskAsync<T>(Func<Task<T>> ask, CancellationToken cancel)
    {
        await _room.WaitAsync(cancel);
        return await AnswerAsync().WaitAsync(cancel);

        async Task<T> AnswerAsync()
        {
            try
            {
                return await ask();
            }
            finally
            {
                _room.Release();
            }
        }
    }
}
