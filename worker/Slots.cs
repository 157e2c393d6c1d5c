namespace Dts.Worker;

/// <summary>How many commands this worker may run at a time. Thread-safe.</summary>
internal sealed class Slots(int total)
{
    private int _taken;

    /// <summary>Raised when there is room again, on whatever thread made it.</summary>
    public event Action? Freed;

    public int Total => total;

    public bool TryTake()
    {
        if (Interlocked.Increment(ref _taken) <= total)
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
