using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Dts.Common.Shell;

/// <summary>A connection between a worker and a holder.</summary>
/// <remarks>Any thread may send; one receives.</remarks>
internal sealed class HolderLine : IDisposable
{
    private const int BufferSize = 64 << 10;

    private static readonly TimeSpan TryAgainAfter = TimeSpan.FromMilliseconds(10);

    private readonly DescriptorStream _stream;
    private readonly StreamReader _reader;
    private readonly Lock _sending = new();
    private readonly Queue<(byte[] Bytes, CommandFiles Files)> _unsent = []; // guarded by _sending
    private bool _isGone; // guarded by _sending

    public HolderLine(Socket socket)
    {
        _stream = new DescriptorStream(socket);
        _reader = new StreamReader(_stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), detectEncodingFromByteOrderMarks: false, BufferSize);
    }

    /// <summary>Does not wait: what the kernel does not take, because the other side is stalled, follows later. Errors are ignored: the receiver reports the closed connection.</summary>
    /// <param name="files">Descriptors that go along; they are closed here.</param>
    public void Send(HolderMessage message, CommandFiles? files = null)
    {
        lock (_sending)
        {
            _unsent.Enqueue((ToBytes(message), files ?? CommandFiles.None));
            if (_unsent.Count == 1 && !TrySendAll())
            {
                _ = SendLaterAsync();
            }
        }
    }

    /// <summary>The descriptors that came with what was received.</summary>
    public Queue<int> Descriptors => _stream.Descriptors;

    /// <summary>The next message; null at the end.</summary>
    public HolderMessage? Receive()
    {
        try
        {
            while (_reader.ReadLine() is { } line)
            {
                if (Parse(line) is { } message)
                {
                    return message;
                }
            }
        }
        catch (Exception gone) when (gone is IOException or ObjectDisposedException)
        {
            // Killed, or closed here.
        }

        return null;
    }

    /// <summary>The next message; null at the end.</summary>
    public async Task<HolderMessage?> ReceiveAsync()
    {
        try
        {
            while (await _reader.ReadLineAsync() is { } line)
            {
                if (Parse(line) is { } message)
                {
                    return message;
                }
            }
        }
        catch (Exception gone) when (gone is IOException or ObjectDisposedException)
        {
            // Killed, or closed here.
        }

        return null;
    }

    public void Dispose()
    {
        lock (_sending)
        {
            _isGone = true; // No number of a descriptor is used once it may be another's.
            _stream.Dispose();
        }
    }

    /// <summary>Null for what a later version says and this one does not know.</summary>
    public static HolderMessage? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, HolderJson.Readable.HolderMessage);
        }
        catch (Exception unknown) when (unknown is JsonException or NotSupportedException)
        {
            Console.Error.WriteLine($"passed over what the other side of a holder's socket says: {Display.Line(unknown.Message)}");
            return null;
        }
    }

    public static byte[] ToBytes(HolderMessage message) => [.. JsonSerializer.SerializeToUtf8Bytes(message, HolderJson.Readable.HolderMessage), (byte)'\n'];

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

    /// <summary>False when the kernel takes no more for now.</summary>
    private bool TrySendAll()
    {
        while (_unsent.TryPeek(out var next))
        {
            var (bytes, files) = next;
            var sent = _isGone ? 0 : Native.Send(_stream.Handle, bytes, files.ToArray());
            if (sent is -Native.EINTR)
            {
                continue;
            }

            if (sent is -Native.EAGAIN)
            {
                return false;
            }

            _ = _unsent.Dequeue();
            files.Close();
            _isGone |= sent < 0;
            if (!_isGone && sent < bytes.Length)
            {
                // The rest goes first.
                var after = _unsent.ToArray();
                _unsent.Clear();
                _unsent.Enqueue((bytes[sent..], CommandFiles.None));
                Array.ForEach(after, _unsent.Enqueue);
            }
        }

        return true;
    }

    /// <summary>Keeps the descriptors that come with what is read by <see cref="Read(Span{byte})"/>, which waits.</summary>
    private sealed class DescriptorStream(Socket socket) : NetworkStream(socket, ownsSocket: true)
    {
        public Queue<int> Descriptors { get; } = new();

        public int Handle => (int)Socket.Handle;

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            int count;
            while ((count = Native.Receive(Handle, buffer, Descriptors)) == -Native.EINTR)
            {
            }

            return count >= 0 ? count : throw new IOException(Native.Describe(-count));
        }
    }
}
