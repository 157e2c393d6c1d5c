using System.Runtime.InteropServices;

namespace Dts.Worker;

/// <summary>Turns SIGTERM (systemd) and SIGINT (Ctrl-C) into a token that stops the worker in order.</summary>
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

    /// <summary>The signal was SIGINT: somebody pressed Ctrl-C and expects no command to go on.</summary>
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
