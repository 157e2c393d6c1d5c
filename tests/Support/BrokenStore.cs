using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Tests.Support;

/// <summary>A log store in memory that can be broken: then it takes and gives nothing.</summary>
internal sealed class BrokenStore : ILogStore
{
    private readonly Lock _gate = new();
    private readonly List<IReadOnlyList<RunRecord>> _batches = [];
    private int _refusals;

    public bool IsBroken { get; set; }

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
        ThrowIfBroken();
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(string run, long offset, int bytesMax, CancellationToken cancel) => throw new NotSupportedException();

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
        if (IsBroken)
        {
            Interlocked.Increment(ref _refusals);
            throw new LogStoreException("the store is broken", new IOException("on purpose"));
        }
    }
}
