using System.Net.Sockets;
using System.Text;

namespace Dts.Tests.Support;

/// <summary>A datagram socket in the file system, like those of systemd and journald, whose datagrams can be read.</summary>
internal sealed class NotifySocket : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly byte[] _buffer = new byte[1 << 20];
    private bool _disposed;

    public NotifySocket() => _socket.Bind(new UnixDomainSocketEndPoint(Path));

    public string Path => _scratch.File("socket");

    /// <summary>Waits for the next datagram.</summary>
    public ReadOnlySpan<byte> Read()
    {
        _socket.ReceiveTimeout = (int)Patience.Limit.TotalMilliseconds;
        return _buffer.AsSpan(0, _socket.Receive(_buffer));
    }

    /// <summary>Reads until a datagram contains the text, and returns it.</summary>
    public Task<string> HearSoon(string text) => Task.Run(() =>
    {
        while (true)
        {
            if (Encoding.UTF8.GetString(Read()) is var heard && heard.Contains(text, StringComparison.Ordinal))
            {
                return heard;
            }
        }
    }).Soon(() => $"no \"{text}\" was sent");

    /// <summary>Discards the waiting datagrams and returns their number.</summary>
    public int CountWaiting()
    {
        var count = 0;
        for (; _socket.Available > 0; count++)
        {
            _socket.Receive(_buffer);
        }

        return count;
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _socket.Dispose();
            _scratch.Dispose();
        }
    }
}
