using System.Net.Sockets;
using System.Text;

namespace Dts.Common.Hosting;

/// <summary>Tells systemd how the service is, as sd_notify(3) does: one datagram to $NOTIFY_SOCKET. Without a socket it does nothing.</summary>
public static class SystemdNotifier
{
    public static void Ready() => Send("READY=1");

    public static void Stopping() => Send("STOPPING=1");

    private static void Send(string state)
    {
        if (Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is not { Length: > 0 } path)
        {
            return;
        }

        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.UTF8.GetBytes(state), new UnixDomainSocketEndPoint(path[0] == '@' ? '\0' + path[1..] : path));
        }
        catch (SocketException)
        {
            // systemd will find out by itself.
        }
    }
}
