using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;
using Dts.Worker.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Tests.Support;

/// <summary>A log as worker and master use it, in one.</summary>
internal interface ILogStore : ILogReader, ILogWriter;

internal sealed class SqliteLogStore(string path) : LogStore(new SqliteLogReader(path), new SqliteLogWriter(path));

internal sealed class MongoLogStore : LogStore
{
    private readonly MongoLogReader _reader;

    public MongoLogStore(string uri, TimeSpan connectTimeout, ILogger log)
        : this(new MongoLogReader(uri, connectTimeout, log), new MongoLogWriter(uri, connectTimeout, log))
    {
    }

    private MongoLogStore(MongoLogReader reader, MongoLogWriter writer)
        : base(reader, writer) => _reader = reader;

    public (string WhyNotWritable, IReadOnlyList<string> MissingIndexes) Examine() => _reader.Examine();
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

    public Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel) => reader.SearchAsync(query, cancel);

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(
        JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) =>
        reader.ListPlannedAsync(job, from, until, cancel);

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(JobName job, DateOnly from, CancellationToken cancel) =>
        reader.ListStatsAsync(job, from, cancel);

    public void Dispose()
    {
        writer.Dispose();
        reader.Dispose();
    }
}
