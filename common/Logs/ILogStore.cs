using Dts.Common.Jobs;

namespace Dts.Common.Logs;

/// <summary>Where run records are kept for good.</summary>
public interface ILogStore : IDisposable
{
    /// <summary>
    /// Writes records; all of them are durable when it returns. A record that is there already is replaced by a later writing of it, except that
    /// <see cref="RunStatus.Lost"/> never replaces another ending: who declares a run lost may be wrong, who saw its end is not.
    /// </summary>
    /// <exception cref="LogStoreException">The store cannot be reached or cannot take them now; none or all of them may be there.</exception>
    Task WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel);

    /// <summary>A job's records, latest start first.</summary>
    /// <exception cref="LogStoreException">The store cannot be reached or cannot answer now.</exception>
    Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel);

    /// <summary>A job's records of the plan times in a span, and those that stand for several plan times of which one is in it; in the order of their plan times.</summary>
    /// <exception cref="LogStoreException">The store cannot be reached or cannot answer now.</exception>
    Task<IReadOnlyList<RunRecord>> ListPlannedAsync(JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel);

    /// <summary>Removes up to a thousand records that have expired, and returns how many it was.</summary>
    /// <exception cref="LogStoreException">The store cannot be reached or cannot answer now.</exception>
    Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel);
}
