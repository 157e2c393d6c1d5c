using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Master.Versions;

/// <summary>The versions of jobs in the log store.</summary>
/// <remarks>
/// Thread-safe. Every member throws a <see cref="LogStoreException"/> when the store cannot be reached, or cannot answer or take it now.
/// </remarks>
internal interface IVersionStore : IDisposable
{
    static IVersionStore Open(LogSettings settings, TimeSpan retention) => settings.Open<IVersionStore>(
        uri => new MongoVersionStore(uri, settings.ConnectTimeout, new VersionLimits(retention)),
        file => new SqliteVersionStore(file, new VersionLimits(retention)));

    /// <summary>
    /// Writes a version and removes those beyond the limits. It is durable when this returns. Writing it twice is harmless.
    /// </summary>
    Task WriteAsync(JobVersion version, CancellationToken cancel);

    /// <summary>A job's versions, the latest first.</summary>
    /// <param name="after">Where the page before ended; null = from the latest on.</param>
    Task<IReadOnlyList<JobVersion>> ListAsync(JobName job, VersionCursor? after, int limit, CancellationToken cancel);

    /// <summary>The version of a revision, the latest if a restored etcd has used the revision twice; null = there is none.</summary>
    Task<JobVersion?> FindAsync(JobName job, long revision, CancellationToken cancel);

    /// <summary>Removes expired versions, unless the store does so by itself.</summary>
    Task RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel);
}
