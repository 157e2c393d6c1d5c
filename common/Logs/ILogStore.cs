using Dts.Common.Jobs;

namespace Dts.Common.Logs;

/// <summary>Where run records, their live output and their counts are kept for good.</summary>
/// <remarks>
/// Every member throws a <see cref="LogStoreException"/> when the store cannot be reached, or cannot answer or take it now.
/// </remarks>
public interface ILogStore : IDisposable
{
    /// <summary>
    /// Writes records; all are durable when it returns, and the new ones counted within about a second. A record that is there already is
    /// replaced by a later writing of it, except that <see cref="RunStatus.Lost"/> never replaces another ending: who declares a run lost
    /// may be wrong, who saw its end is not.
    /// </summary>
    /// <returns>The records that the store refuses because of their content; all others are durable.</returns>
    Task<IReadOnlyList<Refused<RunRecord>>> WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel);

    /// <summary>Writes output as it comes; writing a chunk twice is harmless.</summary>
    /// <returns>The chunks that the store refuses because of their content.</returns>
    Task<IReadOnlyList<Refused<OutputChunk>>> WriteOutputAsync(IReadOnlyList<OutputChunk> chunks, CancellationToken cancel);

    /// <summary>A run's output from an offset on, without holes and overlaps; empty = there is none there (yet).</summary>
    /// <param name="run">The record's id.</param>
    /// <param name="bytesMax">About how much at a time; at least one chunk's rest comes if there is one.</param>
    Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(string run, long offset, int bytesMax, CancellationToken cancel);

    /// <summary>One record; null = there is none (yet).</summary>
    Task<RunRecord?> FindAsync(string id, CancellationToken cancel);

    /// <summary>A job's records, latest start first: the original's list.</summary>
    Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel);

    /// <summary>
    /// A page of the records that fit, latest start first. Pages are stable while records arrive: the next one goes on where this one
    /// ended.
    /// </summary>
    Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel);

    /// <summary>
    /// A job's records of the plan times in a span, and those that stand for several plan times of which one is in it; in no certain order.
    /// </summary>
    Task<IReadOnlyList<RunRecord>> ListPlannedAsync(JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel);

    /// <summary>What a job's runs came to, day by day (UTC), the oldest first; days without any are left out.</summary>
    Task<IReadOnlyList<DayStats>> ListStatsAsync(JobName job, DateOnly from, CancellationToken cancel);

    /// <summary>
    /// Removes up to a thousand records that have expired, with their output, and returns how many it was; 0 where the store does it by
    /// itself.
    /// </summary>
    Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel);
}

/// <summary>The log store did not do what was asked of it; asking again later may help.</summary>
public sealed class LogStoreException(string message, Exception cause) : Exception(message, cause);

/// <summary>A record or chunk that a log store refuses because of its content, so a retry cannot help.</summary>
/// <param name="Reason">The store's own words.</param>
public sealed record Refused<T>(T What, string Reason);
