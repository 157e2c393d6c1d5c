namespace Dts.Worker.Commands.Holders;

/// <summary>A real-time thread that only starts commands. New processes have its priority until they execute their shells.</summary>
/// <remarks>
/// Holders of ordinary users need it: only a privileged process may switch the inheritance of a thread's priority off and on again. On this
/// thread it is always on, so code that runs here must not start threads. Not thread-safe.
/// </remarks>
internal sealed class StartingThread : IDisposable
{
    private readonly AutoResetEvent _asked = new(false);
    private readonly AutoResetEvent _done = new(false);
    private Action? _work;

    /// <summary>Starts the thread, which inherits the priority of the caller's.</summary>
    public StartingThread() => new Thread(Run) { IsBackground = true, Name = "dts-starts" }.Start();

    /// <summary>Runs an action on this thread and waits until it is done.</summary>
    public void Do(Action work)
    {
        _work = work;
        _asked.Set();
        _done.WaitOne();
    }

    public void Dispose()
    {
        _work = null;
        _asked.Set();
    }

    private void Run()
    {
        while (_asked.WaitOne() && _work is { } work)
        {
            work();
            _done.Set();
        }
    }
}
