using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Dts.Common.Hosting;
using Dts.Worker.Native;

namespace Dts.Worker.Commands;

/// <summary>A connection between a worker and a holder.</summary>
/// <remarks>Any thread may send; one receives.</remarks>
internal sealed class HolderLine : IDisposable
{
    private const int BufferSize = 64 << 10;
    private const int KeptMax = 512 << 10; // A larger buffer is released after its message.

    private static readonly TimeSpan TryAgainAfter = TimeSpan.FromMilliseconds(10);

    private readonly DescriptorStream _stream;
    private readonly Lock _sending = new();
    private readonly Queue<(byte[] Bytes, CommandFiles Files)> _unsent = []; // guarded by _sending
    private bool _isGone; // guarded by _sending
    private byte[] _buffer = new byte[BufferSize]; // Received bytes, not yet taken, between _from and _to.
    private int _from;
    private int _to;
    private int _seen; // No line ends before this position.

    public HolderLine(Socket socket) => _stream = new DescriptorStream(socket);

    /// <summary>
    /// Sends without blocking. Bytes that the kernel does not accept, because the other side is stalled, are sent later. Write errors
    /// are ignored: the receiver reports the closed connection.
    /// </summary>
    /// <param name="files">Descriptors to pass on with the message; they are closed once sent.</param>
    public void Send(HolderMessage message, CommandFiles? files = null) => Send(ToBytes(message), files ?? CommandFiles.None);

    /// <summary>Sends messages with one system call.</summary>
    public void Send(IReadOnlyList<HolderMessage> messages)
    {
        using var lines = new MemoryStream();
        foreach (var message in messages)
        {
            lines.Write(ToBytes(message));
        }

        Send(lines.ToArray(), CommandFiles.None);
    }

    /// <summary>The descriptors received with messages.</summary>
    public Queue<int> Descriptors => _stream.Descriptors;

    /// <summary>Waits on this thread for the next message; null = the end.</summary>
    public HolderMessage? Receive() => ReceiveAsync(isBlocking: true).GetAwaiter().GetResult(); // It never awaits.

    /// <summary>The next message; null = the end.</summary>
    public Task<HolderMessage?> ReceiveAsync() => ReceiveAsync(isBlocking: false);

    private async Task<HolderMessage?> ReceiveAsync(bool isBlocking)
    {
        try
        {
            while (true)
            {
                if (TryTake() is { } message)
                {
                    return message;
                }

                var room = MakeRoom();
                var count = isBlocking ? _stream.Read(room.Span) : await _stream.ReadAsync(room);
                if (count == 0)
                {
                    return null;
                }

                _to += count;
            }
        }
        catch (Exception gone) when (gone is IOException or ObjectDisposedException)
        {
            return null; // The other side was killed, or this one has closed the connection.
        }
    }

    public void Dispose()
    {
        lock (_sending)
        {
            _isGone = true; // After this the descriptor's number may be reused, so no send may use it.
            _stream.Dispose();
        }
    }

    /// <summary>The next complete message; null = more bytes must be received first.</summary>
    private HolderMessage? TryTake()
    {
        while (_buffer.AsSpan(_seen, _to - _seen).IndexOf((byte)'\n') is >= 0 and var length)
        {
            var line = _buffer.AsSpan(_from, _seen + length - _from);
            _from = _seen = _seen + length + 1;
            if (Parse(line) is { } message)
            {
                return message;
            }

            if (Descriptors.Count > 0)
            {
                throw new IOException("an unknown message brought descriptors; the next command would get them");
            }
        }

        _seen = _to;
        return null;
    }

    /// <summary>The free part of the buffer, for the next bytes.</summary>
    private Memory<byte> MakeRoom()
    {
        var waiting = _to - _from;
        if (_from > 0 || _to == _buffer.Length)
        {
            var size = waiting == _buffer.Length ? 2 * waiting : Math.Max(BufferSize, waiting + 1);
            var next = size > _buffer.Length || _buffer.Length > Math.Max(2 * size, KeptMax) ? new byte[size] : _buffer;
            _buffer.AsSpan(_from, waiting).CopyTo(next);
            _buffer = next;
            (_from, _to, _seen) = (0, waiting, waiting);
        }

        return _buffer.AsMemory(_to);
    }

    /// <summary>Null = a message of a later version, which is skipped.</summary>
    public static HolderMessage? Parse(string line) => Parse(Encoding.UTF8.GetBytes(line));

    private static HolderMessage? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, HolderJson.Readable.HolderMessage);
        }
        catch (Exception unknown) when (unknown is JsonException or NotSupportedException)
        {
            Console.Error.WriteLine($"unknown message on a holder's socket is skipped: {Display.Line(unknown.Message)}");
            return null;
        }
    }

    public static byte[] ToBytes(HolderMessage message) =>
        [.. JsonSerializer.SerializeToUtf8Bytes(message, HolderJson.Readable.HolderMessage), (byte)'\n'];

    private void Send(byte[] bytes, CommandFiles files)
    {
        lock (_sending)
        {
            _unsent.Enqueue((bytes, files));
            if (_unsent.Count == 1 && !TrySendAll())
            {
                _ = SendLaterAsync();
            }
        }
    }

    private async Task SendLaterAsync()
    {
        for (var done = false; !done;)
        {
            await Task.Delay(TryAgainAfter, TimeProvider.System);
            lock (_sending)
            {
                done = TrySendAll();
            }
        }
    }

    /// <summary>False when the kernel accepts no more for now.</summary>
    private bool TrySendAll()
    {
        while (_unsent.TryPeek(out var next))
        {
            var (bytes, files) = next;
            var sent = _isGone ? 0 : DescriptorSocket.Send(_stream.Handle, bytes, files.ToArray());
            if (sent is -Errno.EINTR)
            {
                continue;
            }

            if (sent is -Errno.EAGAIN)
            {
                return false;
            }

            _ = _unsent.Dequeue();
            files.Close();
            _isGone |= sent < 0;
            if (!_isGone && sent < bytes.Length)
            {
                // The rest of this message goes before all others.
                var after = _unsent.ToArray();
                _unsent.Clear();
                _unsent.Enqueue((bytes[sent..], CommandFiles.None));
                Array.ForEach(after, _unsent.Enqueue);
            }
        }

        return true;
    }

    /// <summary>Keeps the descriptors that arrive with the bytes. <see cref="Read(Span{byte})"/> blocks.</summary>
    private sealed class DescriptorStream(Socket socket) : NetworkStream(socket, ownsSocket: true)
    {
        public Queue<int> Descriptors { get; } = new();

        public int Handle => (int)Socket.Handle;

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            int count;
            while ((count = DescriptorSocket.Receive(Handle, buffer, Descriptors)) == -Errno.EINTR)
            {
            }

            return count >= 0 ? count : throw new IOException(Libc.Describe(-count));
        }
    }
}
