using Microsoft.Extensions.Logging;

namespace Dts.Worker.Sessions;

/// <summary>Whether somebody has drained this worker: it claims nothing new, and what it has claimed goes on to its end.</summary>
/// <remarks>Thread-safe. The mark is a key in etcd without a lease, so it outlives this process.</remarks>
internal sealed class OwnDrain(ILogger log)
{
    private volatile string _why = "";

    /// <summary>Raised on whatever thread heard of it.</summary>
    public event Action? Changed;

    /// <summary>Who drained it, and when; empty = it is not drained.</summary>
    public string Why => _why;

    public bool IsOn => _why.Length > 0;

    /// <param name="why">Empty = it is taken back.</param>
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
            log.TakenBack();
        }

        Changed?.Invoke();
    }
}
