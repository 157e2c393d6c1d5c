using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Master.Logs;

/// <summary>Reads run records, their live output and their counts.</summary>
internal interface ILogReader : ILogOutput
{
    /// <param name="mustExist">An embedded store's file that is missing is an error; else it has no records yet.</param>
    /// <exception cref="SettingsException">mongodbUri is no URI.</exception>
    /// <exception cref="StartException">The name of a mongodb+srv URI cannot be looked up now.</exception>
    static ILogReader Open(LogSettings settings, bool mustExist = false) => settings.Open<ILogReader>(
        uri => new MongoLogReader(uri, settings.ConnectTimeout), file => new SqliteLogReader(file, mustExist));

    /// <summary>One record; null = there is none (yet).</summary>
    Task<RunRecord?> FindAsync(string id, CancellationToken cancel);

    /// <summary>A job's records, latest start first: the original's list.</summary>
    Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel);

    /// <summary>
    /// A page of the records that fit, latest start first, with <see cref="RunRecord.LastLine"/>. Pages are stable while records arrive:
    /// the next one goes on where this one ended.
    /// </summary>
    Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel);

    /// <summary>
    /// The start of the record that follows <paramref name="records"/> others which fit the query's indexed conditions, latest start first;
    /// null = there are no more than these.
    /// </summary>
    Task<DateTimeOffset?> FindStartAsync(LogQuery query, int records, CancellationToken cancel);

    /// <summary>
    /// A job's records of the plan times in a span, and those that stand for several plan times of which one is in it; in no certain order,
    /// and without their outputs.
    /// </summary>
    Task<IReadOnlyList<RunRecord>> ListPlannedAsync(JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel);

    /// <summary>
    /// Counts the records that fit, by ending and by the time of their start. With more records in the span than may be read, the answer
    /// says so and has no counts.
    /// </summary>
    /// <param name="query">Its span is the one to count in; its page does not matter.</param>
    /// <param name="step">The length of the times to count by, which begin at its multiples since the epoch.</param>
    /// <param name="recordsMax">How many records may be read. A store counts more where its index alone has the answer.</param>
    Task<SpanCounts> CountAsync(LogQuery query, TimeSpan step, int recordsMax, CancellationToken cancel);

    /// <summary>What a job's runs came to, day by day (UTC), the oldest first; days without any are left out.</summary>
    Task<IReadOnlyList<DayStats>> ListStatsAsync(JobName job, DateOnly from, CancellationToken cancel);

    /// <summary>The latest endings of each of some jobs, by start; in no certain order. It reads neither outputs nor commands.</summary>
    Task<IReadOnlyList<EndedRun>> ListEndingsAsync(IReadOnlyList<string> jobs, int each, CancellationToken cancel);

    /// <summary>Those of some runs that have ended and whose records have arrived, by the records' ids; in no certain order.</summary>
    Task<IReadOnlyList<EndedRun>> FindEndingsAsync(IReadOnlyList<string> ids, CancellationToken cancel);
}
