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
    /// A page of the records that match, latest start first, with <see cref="RunRecord.LastLine"/>. Pages are stable while records
    /// arrive: the next one goes on where this one ended.
    /// </summary>
    Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel);

    /// <summary>
    /// The start of the record after the first <paramref name="records"/> ones that match the query's indexed conditions, latest start
    /// first; null = there are no more.
    /// </summary>
    Task<DateTimeOffset?> FindStartAsync(LogQuery query, int records, CancellationToken cancel);

    /// <summary>
    /// A job's records of the plan times in a span, also records that stand for several plan times of which one is in it. In no
    /// particular order, and without their outputs.
    /// </summary>
    Task<IReadOnlyList<RunRecord>> ListPlannedAsync(JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel);

    /// <summary>
    /// Counts the records that match, by ending and start time. If the span has more records than may be read, the answer says so and has
    /// no counts.
    /// </summary>
    /// <param name="query">Its page does not matter.</param>
    /// <param name="step">The length of the intervals, which begin at its multiples since the epoch.</param>
    /// <param name="recordsMax">How many records may be read. A store counts more if its index alone has the answer.</param>
    Task<SpanCounts> CountAsync(LogQuery query, TimeSpan step, int recordsMax, CancellationToken cancel);

    /// <summary>Statistics of a job's runs for each day (UTC), the oldest first; days without runs are left out.</summary>
    Task<IReadOnlyList<DayStats>> ListStatsAsync(JobName job, DateOnly from, CancellationToken cancel);

    /// <summary>The latest endings of each of some jobs, by start, in no particular order. It reads neither outputs nor commands.</summary>
    Task<IReadOnlyList<EndedRun>> ListEndingsAsync(IReadOnlyList<string> jobs, int each, CancellationToken cancel);

    /// <summary>The endings of some runs, by their records' ids, in no particular order; a run without a record is left out.</summary>
    Task<IReadOnlyList<EndedRun>> FindEndingsAsync(IReadOnlyList<string> ids, CancellationToken cancel);
}
