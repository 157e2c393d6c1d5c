namespace Dts.Common.Time;

/// <summary>Work that blocks, on a thread of its own: the pool has few, and starts of commands wait for those.</summary>
internal static class OwnThread
{
    public static Task<T> RunAsync<T>(Func<T> work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>The same, for what can wait: it gives way to all that runs at the usual niceness (setpriority(2)).</summary>
    public static Task<T> RunBehindAsync<T>(Func<T> work) => RunAsync(() =>
    {
        Native.GiveWay();
        return work();
    });
}
