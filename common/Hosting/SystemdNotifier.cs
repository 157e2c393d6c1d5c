using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Dts.Common.Hosting;

/// <summary>Reports the state of the service to systemd, as sd_notify(3) does. Without a socket it does nothing.</summary>
/// <param name="Socket">Empty = nobody listens.</param>
/// <param name="Watchdog">WatchdogSec of the unit; null = there is no watchdog for this process.</param>
public sealed record SystemdNotifier(string Socket, TimeSpan? Watchdog)
{
    public bool IsHeard => Socket.Length > 0;

    /// <summary>Reads NOTIFY_SOCKET, and WATCHDOG_USEC if WATCHDOG_PID is this process.</summary>
    public static SystemdNotifier Find()
    {
        var pid = Environment.GetEnvironmentVariable("WATCHDOG_PID");
        var isOurs = string.IsNullOrEmpty(pid) || pid == $"{Environment.ProcessId}";
        var isSet = long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), CultureInfo.InvariantCulture, out var microseconds)
            && microseconds > 0;
        return new SystemdNotifier(
            Environment.GetEnvironmentVariable("NOTIFY_SOCKET") ?? "", isOurs && isSet ? TimeSpan.FromMicroseconds(microseconds) : null);
    }

    public void Ready() => Send("READY=1");

    public void Stopping() => Send("STOPPING=1");

    /// <summary><see cref="Ready"/> must follow.</summary>
    public void Reloading() =>
        Send(string.Create(
            CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000)}"));

    public void Alive() => Send("WATCHDOG=1");

    /// <summary>One line for systemctl status.</summary>
    public void Status(string status) => Send($"STATUS={status.ReplaceLineEndings(" ")}");

    private void Send(string state)
    {
        if (!IsHeard)
        {
            return;
        }

        try
        {
            using var socket = new System.Net.Sockets.Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.UTF8.GetBytes(state), new UnixDomainSocketEndPoint(Socket[0] == '@' ? '\0' + Socket[1..] : Socket));
        }
        catch (SocketException)
        {
            // systemd notices without us.
        }
    }
}
