namespace Dts.Worker.Commands.Holders;

/// <summary>A real-time thread that only starts commands. A new process has its priority, too, until it executes its shell.</summary>
/// <remarks>
/// Holders of ordinary users need it: only a privileged process may turn inheritance of a thread's priority on and off again. Here it
/// is always on, so code that runs on this thread must not start threads. Not thread-safe.
/// </remarks>
internal sealed class StartingThread : IDisposable
{
    private readonly AutoResetEvent _asked = new(false);
    private readonly AutoResetEvent _done = new(false);
    private Action? _work;

    /// <summary>It takes its priority from the thread that makes it.</summary>
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
