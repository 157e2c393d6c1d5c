using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Tests.Support;

/// <summary>A log store in memory that can be broken: then it takes and gives nothing.</summary>
internal sealed class BrokenStore : ILogStore
{
    private readonly Lock _gate = new();
    private readonly List<IReadOnlyList<RunRecord>> _batches = [];
    private readonly SortedDictionary<(string Run, long Offset), OutputChunk> _output = [];
    private int _refusals;

    public bool IsBroken { get; set; }

    /// <summary>It takes output and says that it did not: the connection breaks before the answer.</summary>
    public bool LosesAnswers { get; set; }

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

    /// <summary>The ids of all that was written, in order.</summary>
    public IReadOnlyList<string> Ids => [.. Batches.SelectMany(batch => batch).Select(record => record.Id)];

    /// <summary>A run's output, as far as it has no hole.</summary>
    public string OutputOf(string run)
    {
        lock (_gate)
        {
            return string.Concat(OutputChunk.Join(_output.Values.Where(chunk => chunk.Run == run), 0).Select(chunk => System.Text.Encoding.UTF8.GetString(chunk.Data.Span)));
        }
    }

    public Task WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel)
    {
        ThrowIfBroken();
        lock (_gate)
        {
            _batches.Add([.. records]);
        }

        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel)
    {
        ThrowIfBroken();
        return Task.FromResult<IReadOnlyList<RunRecord>>([.. Batches.SelectMany(batch => batch).Where(record => record.JobName == job.Value).Skip(skip).Take(limit)]);
    }

    public Task WriteOutputAsync(IReadOnlyList<OutputChunk> chunks, CancellationToken cancel)
    {
        lock (_gate)
        {
            foreach (var chunk in IsBroken ? [] : chunks)
            {
                _output.TryAdd((chunk.Run, chunk.Offset), chunk);
            }
        }

        ThrowIfBroken();
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(string run, long offset, int bytesMax, CancellationToken cancel)
    {
        ThrowIfBroken();
        lock (_gate)
        {
            return Task.FromResult(OutputChunk.Join(_output.Values.Where(chunk => chunk.Run == run), offset));
        }
    }

    public Task<RunRecord?> FindAsync(string id, CancellationToken cancel) => throw new NotSupportedException();

    public Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel) => throw new NotSupportedException();

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(JobName job, DateOnly from, CancellationToken cancel) => throw new NotSupportedException();

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) => throw new NotSupportedException();

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
