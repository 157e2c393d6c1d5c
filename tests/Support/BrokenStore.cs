using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;

namespace Dts.Tests.Support;

/// <summary>A log store in memory that can be broken; then every call fails.</summary>
internal sealed class BrokenStore : ILogStore
{
    private readonly Lock _gate = new();
    private readonly List<IReadOnlyList<RunRecord>> _batches = [];
    private readonly SortedDictionary<(string Run, long Offset), OutputChunk> _output = [];
    private int _refusals;
    private int _questions;

    public bool IsBroken { get; set; }

    /// <summary>Output is stored, but the call fails, as if the connection broke before the answer.</summary>
    public bool LosesAnswers { get; set; }

    /// <summary>Returns why a record or chunk is refused because of its content; null = it is accepted.</summary>
    public Func<string, string?> Refuses { get; set; } = _ => null;

    /// <summary>A job whose endings cannot be read, as by a bug; null = none.</summary>
    public string? Unreadable { get; set; }

    /// <summary>The number of reads of records and output.</summary>
    public int Questions => Volatile.Read(ref _questions);

    public int Refusals => Volatile.Read(ref _refusals);

    public IReadOnlyList<IReadOnlyList<RunRecord>> Batches
    {
        get
        {
            lock (_gate)
            {
                return [.. _batches];
            }
        }
    }

    /// <summary>The ids of all written records, in order.</summary>
    public IReadOnlyList<string> Ids => [.. Batches.SelectMany(batch => batch).Select(record => record.Id)];

    /// <summary>A run's output up to the first gap.</summary>
    public string OutputOf(string run)
    {
        lock (_gate)
        {
            return string.Concat(
                OutputChunk.Join(_output.Values.Where(chunk => chunk.Run == run), 0)
                    .Select(chunk => System.Text.Encoding.UTF8.GetString(chunk.Data.Span)));
        }
    }

    public Task<IReadOnlyList<Refused<RunRecord>>> WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel)
    {
        ThrowIfBroken();
        lock (_gate)
        {
            _batches.Add([.. records.Where(record => Refuses(record.Id) is null)]);
        }

        return Task.FromResult<IReadOnlyList<Refused<RunRecord>>>(
            [
                .. records
                    .Where(record => Refuses(record.Id) is not null)
                    .Select(record => new Refused<RunRecord>(record, Refuses(record.Id)!)),
            ]);
    }

    public Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel)
    {
        ThrowIfBroken();
        return Task.FromResult<IReadOnlyList<RunRecord>>(
            [.. Batches.SelectMany(batch => batch).Where(record => record.JobName == job.Value).Skip(skip).Take(limit)]);
    }

    public Task<IReadOnlyList<Refused<OutputChunk>>> WriteOutputAsync(IReadOnlyList<OutputChunk> chunks, CancellationToken cancel)
    {
        lock (_gate)
        {
            foreach (var chunk in IsBroken ? [] : chunks.Where(chunk => Refuses(chunk.Run) is null))
            {
                _output.TryAdd((chunk.Run, chunk.Offset), chunk with { Data = chunk.Data.ToArray() }); // The caller reuses its arrays.
            }
        }

        ThrowIfBroken();
        return Task.FromResult<IReadOnlyList<Refused<OutputChunk>>>(
            [
                .. chunks
                    .Where(chunk => Refuses(chunk.Run) is not null)
                    .Select(chunk => new Refused<OutputChunk>(chunk, Refuses(chunk.Run)!)),
            ]);
    }

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(string run, long offset, int bytesMax, CancellationToken cancel)
    {
        Interlocked.Increment(ref _questions);
        ThrowIfBroken();
        lock (_gate)
        {
            return Task.FromResult(OutputChunk.Join(_output.Values.Where(chunk => chunk.Run == run), offset));
        }
    }

    public Task<RunRecord?> FindAsync(string id, CancellationToken cancel)
    {
        Interlocked.Increment(ref _questions);
        ThrowIfBroken();
        return Task.FromResult(Batches.SelectMany(batch => batch).FirstOrDefault(record => record.Id == id));
    }

    public Task<DateTimeOffset?> FindStartAsync(LogQuery query, int records, CancellationToken cancel) => throw new NotSupportedException();

    public Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel) => throw new NotSupportedException();

    public Task<SpanCounts> CountAsync(LogQuery query, TimeSpan step, int recordsMax, CancellationToken cancel) =>
        throw new NotSupportedException();

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(JobName job, DateOnly from, CancellationToken cancel) =>
        throw new NotSupportedException();

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(
        JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) => throw new NotSupportedException();

    public Task<IReadOnlyList<EndedRun>> ListEndingsAsync(IReadOnlyList<string> jobs, int each, CancellationToken cancel)
    {
        Interlocked.Increment(ref _questions);
        ThrowIfBroken();
        if (jobs.Any(job => job == Unreadable))
        {
            throw new ArgumentOutOfRangeException(nameof(jobs), "a date that nobody foresaw");
        }

        return Task.FromResult<IReadOnlyList<EndedRun>>(
            [.. jobs.SelectMany(job => LatestById().Where(record => record.JobName == job)
                .OrderByDescending(record => record.StartTime)
                .Take(each)
                .Select(EndedRun.Of))]);
    }

    public Task<IReadOnlyList<EndedRun>> FindEndingsAsync(IReadOnlyList<string> ids, CancellationToken cancel)
    {
        Interlocked.Increment(ref _questions);
        ThrowIfBroken();
        return Task.FromResult<IReadOnlyList<EndedRun>>(
            [.. LatestById().Where(record => ids.Contains(record.Id)).Select(EndedRun.Of)]);
    }

    private IEnumerable<RunRecord> LatestById() =>
        Batches.SelectMany(batch => batch).GroupBy(record => record.Id).Select(writings => writings.Last());

    public Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel)
    {
        ThrowIfBroken();
        return Task.FromResult(0);
    }

    public void Dispose()
    {
    }

    private void ThrowIfBroken()
    {
        if (IsBroken || LosesAnswers)
        {
            Interlocked.Increment(ref _refusals);
            throw new LogStoreException("the store is broken", new IOException("on purpose"));
        }
    }
}
