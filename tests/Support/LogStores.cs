using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Common.Logs.Mongo;
using Dts.Master.Logs;
using Dts.Worker.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Tests.Support;

/// <summary>A log store with the writer of a worker and the reader of a master.</summary>
internal interface ILogStore : ILogReader, ILogWriter;

internal sealed class SqliteLogStore(string path) : LogStore(new SqliteLogReader(path), new SqliteLogWriter(path));

internal sealed class MongoLogStore(string uri, TimeSpan connectTimeout, ILogger log)
    : LogStore(new MongoLogReader(uri, connectTimeout), new MongoLogWriter(uri, connectTimeout, log))
{
    public async Task<List<string>> FindMissingIndexesAsync()
    {
        using var database = new MongoDatabase(uri, connectTimeout);
        return await MongoIndexes.FindMissingAsync(database);
    }
}

internal abstract class LogStore(ILogReader reader, ILogWriter writer) : ILogStore
{
    public Task<IReadOnlyList<Refused<RunRecord>>> WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel) =>
        writer.WriteAsync(records, cancel);

    public Task<IReadOnlyList<Refused<OutputChunk>>> WriteOutputAsync(IReadOnlyList<OutputChunk> chunks, CancellationToken cancel) =>
        writer.WriteOutputAsync(chunks, cancel);

    public Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => writer.RemoveExpiredAsync(now, cancel);

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(string run, long offset, int bytesMax, CancellationToken cancel) =>
        reader.ReadOutputAsync(run, offset, bytesMax, cancel);

    public Task<RunRecord?> FindAsync(string id, CancellationToken cancel) => reader.FindAsync(id, cancel);

    public Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel) =>
        reader.ListAsync(job, skip, limit, cancel);

    public Task<DateTimeOffset?> FindStartAsync(LogQuery query, int records, CancellationToken cancel) =>
        reader.FindStartAsync(query, records, cancel);

    public Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel) => reader.SearchAsync(query, cancel);

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(
        JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) =>
        reader.ListPlannedAsync(job, from, until, cancel);

    public Task<SpanCounts> CountAsync(LogQuery query, TimeSpan step, int recordsMax, CancellationToken cancel) =>
        reader.CountAsync(query, step, recordsMax, cancel);

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(JobName job, DateOnly from, CancellationToken cancel) =>
        reader.ListStatsAsync(job, from, cancel);

    public Task<IReadOnlyList<EndedRun>> ListEndingsAsync(IReadOnlyList<string> jobs, int each, CancellationToken cancel) =>
        reader.ListEndingsAsync(jobs, each, cancel);

    public Task<IReadOnlyList<EndedRun>> FindEndingsAsync(IReadOnlyList<string> ids, CancellationToken cancel) =>
        reader.FindEndingsAsync(ids, cancel);

    public void Dispose()
    {
        writer.Dispose();
        reader.Dispose();
    }
}
