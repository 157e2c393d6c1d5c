using System.Runtime.InteropServices;

namespace Dts.Worker;

/// <summary>SIGTERM (systemd) and SIGINT (Ctrl-C) as a token: the service ends in order; by SIGINT with all that it does.</summary>
internal sealed class StopSignal : IDisposable
{
    private readonly CancellationTokenSource _asked = new();
    private readonly PosixSignalRegistration[] _registrations;

    public StopSignal() =>
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Ask),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Ask),
        ];

    public CancellationToken Token => _asked.Token;

    /// <summary>It was SIGINT: whoever is there to press Ctrl-C wants nothing to go on.</summary>
    public bool IsInterrupt { get; private set; }

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        _asked.Dispose();
    }

    private void Ask(PosixSignalContext context)
    {
        context.Cancel = true;
        IsInterrupt |= context.Signal == PosixSignal.SIGINT;
        _asked.Cancel();
    }
}
