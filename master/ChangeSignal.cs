namespace Dts.Master;

/// <summary>Lets others wait for a change of a state that one keeper follows.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class ChangeSignal
{
    private static readonly TimeSpan OwnWriteWithin = TimeSpan.FromSeconds(3);

    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Raise()
    {
        var changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }

    /// <summary>Waits up to three seconds until the state has this master's own write: the caller's next request finds it.</summary>
    public Task WaitForOwnWriteAsync(Func<bool> hasIt, CancellationToken cancel) => WaitUntilAsync(hasIt, OwnWriteWithin, cancel);

    /// <summary>Waits until a condition on the state holds, but no longer than a limit.</summary>
    public async Task WaitUntilAsync(Func<bool> holds, TimeSpan limit, CancellationToken cancel)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        ended.CancelAfter(limit);
        while (!ended.IsCancellationRequested)
        {
            var changed = _changed.Task;
            if (holds())
            {
                return;
            }

            await changed.WaitAsync(ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
