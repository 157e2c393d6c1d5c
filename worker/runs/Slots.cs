namespace Dts.Worker.Runs;

/// <summary>How many commands this worker may run at a time. Thread-safe.</summary>
internal sealed class Slots(int total)
{
    private volatile int _total = total;
    private volatile bool _isShut;
    private volatile bool _isDrained;
    private int _taken;

    /// <summary>Raised when there is room again, on whatever thread made it.</summary>
    public event Action? Freed;

    /// <summary>Fewer than are taken: those go on, and none is given until there is room.</summary>
    public int Total
    {
        get => _isShut || _isDrained ? 0 : _total;
        set
        {
            _total = value;
            Freed?.Invoke();
        }
    }

    /// <summary>While true, no slot is offered to new claims.</summary>
    public bool IsShut
    {
        get => _isShut;
        set
        {
            _isShut = value;
            Freed?.Invoke();
        }
    }

    /// <summary>The same, because somebody has drained the worker.</summary>
    public bool IsDrained
    {
        set
        {
            _isDrained = value;
            Freed?.Invoke();
        }
    }

    public bool TryTake()
    {
        if (Interlocked.Increment(ref _taken) <= _total)
        {
            return true;
        }

        Interlocked.Decrement(ref _taken);
        return false;
    }

    /// <summary>For what runs already, be there room or not.</summary>
    public void Take() => Interlocked.Increment(ref _taken);

    public void Release()
    {
        Interlocked.Decrement(ref _taken);
        Freed?.Invoke();
    }
}
