using System.Collections.Concurrent;

namespace Dts.Worker.Commands;

/// <summary>The numbers of killed processes that a holder owes, in the order of the requests.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class OwedCounts
{
    private readonly ConcurrentQueue<TaskCompletionSource<int?>> _counts = new();
    private readonly Lock _asking = new();

    /// <summary>The answer to a request that is sent now; null = the holder died.</summary>
    public Task<int?> Ask(Action send)
    {
        var count = new TaskCompletionSource<int?>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_asking) // The answers come in the order of the requests.
        {
            _counts.Enqueue(count);
            send();
        }

        return count.Task;
    }

    public void Answer(int processes) => _ = _counts.TryDequeue(out var count) && count.TrySetResult(processes);

    /// <summary>The holder is gone: nothing more is answered.</summary>
    public void AnswerAll()
    {
        while (_counts.TryDequeue(out var count))
        {
            count.TrySetResult(null);
        }
    }
}
