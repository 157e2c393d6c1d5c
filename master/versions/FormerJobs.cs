using Dts.Common.Jobs;

namespace Dts.Master.Versions;

/// <summary>Finds the job that a free name belonged to: its runs, outputs and versions are still there.</summary>
/// <param name="hasRecords">Returns whether the log has runs of a name.</param>
internal sealed class FormerJobs(VersionHistory history, Func<JobName, CancellationToken, Task<bool>> hasRecords)
{
    private const int VersionsRead = 5; // A deletion and the version before it, which a deletion that was written twice must not hide.

    public async Task<FormerJob> FindAsync(JobName name, CancellationToken cancel)
    {
        var versions = await history.ListAsync(name, null, VersionsRead, cancel);
        return versions.FirstOrDefault(version => !version.IsDeletion) is { Job: { } last } ? new FormerJob.Known(last)
            : versions.Count > 0 || await hasRecords(name, cancel) ? new FormerJob.Unknown()
            : new FormerJob.Nobody();
    }
}

/// <summary>The job that last had a name.</summary>
internal abstract record FormerJob
{
    private FormerJob()
    {
    }

    /// <summary>No job had the name, as far as the log store knows.</summary>
    public sealed record Nobody : FormerJob;

    /// <param name="Last">The latest definition of the job.</param>
    public sealed record Known(Job Last) : FormerJob;

    /// <summary>A job had the name, and its definition is not kept.</summary>
    public sealed record Unknown : FormerJob;
}
