namespace Dts.Common.Shell;

/// <summary>A thread that does nothing but start commands: it is a real-time one, and so is each new process until its shell has been executed.</summary>
/// <remarks>
/// For an ordinary user: only the privileged may let a thread hand its priority on for a moment and then take that back. So this one always hands it on, and nothing that runs on it may start a thread. Not thread-safe.
/// </remarks>
internal sealed class StartingThread : IDisposable
{
    private readonly AutoResetEvent _asked = new(false);
    private readonly AutoResetEvent _done = new(false);
    private Action? _work;

    /// <summary>It takes its priority from the thread that makes it.</summary>
    public StartingThread() => new Thread(Run) { IsBackground = true, Name = "dts-starts" }.Start();

    /// <summary>Has it done, and waits for that.</summary>
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
