using Microsoft.Extensions.Logging;

namespace Dts.Worker.Sessions;

/// <summary>Whether this worker is drained: then it claims nothing new, and the runs that it has claimed go on.</summary>
/// <remarks>Thread-safe. The mark is a key in etcd without a lease, so it outlives this process.</remarks>
internal sealed class OwnDrain(ILogger log)
{
    private volatile string _why = "";

    /// <summary>Raised on the thread that calls <see cref="Set"/>.</summary>
    public event Action? Changed;

    /// <summary>Who drained the worker, and when; empty = it is not drained.</summary>
    public string Why => _why;

    public bool IsOn => _why.Length > 0;

    /// <param name="why">Empty = the drain is over.</param>
    public void Set(string why)
    {
        if (why == _why)
        {
            return;
        }

        _why = why;
        if (IsOn)
        {
            log.Drained(why);
        }
        else
        {
            log.Undrained();
        }

        Changed?.Invoke();
    }
}
