using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;

namespace Dts.Master;

/// <summary>
/// Limits the concurrent calls to a log store and gives each a deadline: a store that hangs costs a few threads, and callers get an
/// error.
/// </summary>
/// <remarks>Thread-safe. A call past its deadline keeps its slot until the store has returned.</remarks>
internal sealed class StoreGate(ILogReader store, TimeSpan deadline, TimeProvider time) : ILogReader
{
    /// <summary>The number of concurrent calls to the store.</summary>
    public const int AtOnce = 16;

    /// <summary>The number of callers that may wait for a slot.</summary>
    public const int WaitingMax = 64;

    private readonly SemaphoreSlim _room = new(AtOnce);
    private int _callers;

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(string run, long offset, int bytesMax, CancellationToken cancel) =>
        AskAsync(stop => store.ReadOutputAsync(run, offset, bytesMax, stop), cancel);

    public Task<RunRecord?> FindAsync(string id, CancellationToken cancel) => AskAsync(stop => store.FindAsync(id, stop), cancel);

    public Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel) =>
        AskAsync(stop => store.ListAsync(job, skip, limit, stop), cancel);

    public Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel) => AskAsync(stop => store.SearchAsync(query, stop), cancel);

    public Task<DateTimeOffset?> FindStartAsync(LogQuery query, int records, CancellationToken cancel) =>
        AskAsync(stop => store.FindStartAsync(query, records, stop), cancel);

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(
        JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) =>
        AskAsync(stop => store.ListPlannedAsync(job, from, until, stop), cancel);

    public Task<SpanCounts> CountAsync(LogQuery query, TimeSpan step, int recordsMax, CancellationToken cancel) =>
        AskAsync(stop => store.CountAsync(query, step, recordsMax, stop), cancel);

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(JobName job, DateOnly from, CancellationToken cancel) =>
        AskAsync(stop => store.ListStatsAsync(job, from, stop), cancel);

    public Task<IReadOnlyList<EndedRun>> ListEndingsAsync(IReadOnlyList<string> jobs, int each, CancellationToken cancel) =>
        AskAsync(stop => store.ListEndingsAsync(jobs, each, stop), cancel);

    public Task<IReadOnlyList<EndedRun>> FindEndingsAsync(IReadOnlyList<string> ids, CancellationToken cancel) =>
        AskAsync(stop => store.FindEndingsAsync(ids, stop), cancel);

    public void Dispose() => store.Dispose();

    private async Task<T> AskAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken cancel)
    {
        using var late = new CancellationTokenSource(deadline, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
        var begun = time.GetTimestamp();
        try
        {
            if (Interlocked.Increment(ref _callers) > AtOnce + WaitingMax)
            {
                throw Unavailable($"{AtOnce} calls are under way and {WaitingMax} wait");
            }

            await _room.WaitAsync(stop.Token);
            var answer = AnswerAsync(ask, stop.Token);
            return await answer.WaitAsync(stop.Token);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            throw Unavailable($"no answer in {deadline.TotalSeconds:0.#} s");
        }
        finally
        {
            Interlocked.Decrement(ref _callers);
            MasterMeter.AskedStore(time.GetElapsedTime(begun));
        }
    }

    private async Task<T> AnswerAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken stop)
    {
        try
        {
            return await ask(stop);
        }
        finally
        {
            _room.Release();
        }
    }

    private static LogStoreException Unavailable(string why) => new($"log store is too slow: {why}", new TimeoutException(why));
}
