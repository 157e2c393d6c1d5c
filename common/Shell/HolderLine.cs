using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Dts.Common.Shell;

/// <summary>A connection between a worker and a holder.</summary>
/// <remarks>Any thread may send; one receives.</remarks>
internal sealed class HolderLine : IDisposable
{
    private const int BufferSize = 64 << 10;

    private readonly NetworkStream _stream;
    private readonly StreamReader _reader;
    private readonly Lock _sending = new();

    public HolderLine(Socket socket)
    {
        _stream = new NetworkStream(socket, ownsSocket: true);
        _reader = new StreamReader(_stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), detectEncodingFromByteOrderMarks: false, BufferSize);
    }

    /// <summary>Waits until the kernel has taken it. That the other side is gone, whoever receives learns.</summary>
    public void Send(HolderMessage message)
    {
        var bytes = ToBytes(message);
        try
        {
            lock (_sending)
            {
                _stream.Write(bytes);
            }
        }
        catch (Exception gone) when (gone is IOException or ObjectDisposedException)
        {
            // See above.
        }
    }

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

    public void Dispose() => _stream.Dispose();

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
}
