using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Dts.Tests.Support;

/// <summary>A DNS server that knows one database: <see cref="Name"/> has an SRV record with one host, and a TXT record.</summary>
/// <remarks>It listens at an address of its own in 127/8, because resolvers use only port 53. Needs root.</remarks>
internal sealed class DnsServer : IAsyncDisposable
{
    public const string Name = "cluster.dts.test";

    private const string Host = "db.dts.test";
    private const int Port = 53;
    private const int HeadSize = 12;
    private const ushort NameOfTheQuestion = 0xC00C;

    private readonly ScratchFolder _scratch = new();
    private readonly UdpClient _socket;
    private readonly Dictionary<(string Name, int Type), byte[]> _records;
    private readonly Task _serving;

    /// <param name="port">The database's port on 127.0.0.1.</param>
    /// <param name="options">The content of the TXT record.</param>
    public DnsServer(int port, string options)
    {
        var random = Random.Shared;
        var own = IPAddress.Parse($"127.{random.Next(1, 255)}.{random.Next(1, 255)}.{random.Next(1, 255)}");
        var place = new byte[6];
        BinaryPrimitives.WriteUInt16BigEndian(place.AsSpan(4), (ushort)port);
        _records = new()
        {
            [($"_mongodb._tcp.{Name}", 33)] = [.. place, .. NameOf(Host)],
            [(Name, 16)] = [(byte)options.Length, .. Encoding.ASCII.GetBytes(options)],
            [(Host, 1)] = [127, 0, 0, 1],
        };
        _socket = new UdpClient(new IPEndPoint(own, Port));
        File.WriteAllText(_scratch.File("resolv.conf"), $"nameserver {own}\n");
        _serving = ServeAsync();
    }

    /// <summary>A command, with its arguments, that runs another one whose only name server is this one.</summary>
    public string[] Front =>
        ["unshare", "-m", "sh", "-c", "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"", _scratch.File("resolv.conf")];

    /// <summary>The queried names.</summary>
    public ConcurrentBag<string> Asked { get; } = [];

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _serving;
        _scratch.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                var asked = await _socket.ReceiveAsync();
                await _socket.SendAsync(Answer(asked.Buffer), asked.RemoteEndPoint);
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    /// <summary>https://www.rfc-editor.org/rfc/rfc1035#section-4.1: header, question, and the one record.</summary>
    private byte[] Answer(byte[] query)
    {
        var (name, end) = ReadName(query, HeadSize);
        var type = BinaryPrimitives.ReadUInt16BigEndian(query.AsSpan(end));
        Asked.Add(name);
        var found = _records.GetValueOrDefault((name, type));
        var isKnown = _records.Keys.Any(key => key.Name == name);
        byte[] answer = [.. query[..(end + 4)]];
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(2), (ushort)(isKnown ? 0x8580 : 0x8583)); // 3 = there is no such name.
        new byte[] { 0, 1, 0, (byte)(found is null ? 0 : 1), 0, 0, 0, 0 }.CopyTo(answer, 4);
        if (found is null)
        {
            return answer;
        }

        var record = new byte[12];
        BinaryPrimitives.WriteUInt16BigEndian(record, NameOfTheQuestion);
        BinaryPrimitives.WriteUInt16BigEndian(record.AsSpan(2), type);
        record[5] = 1; // IN
        record[9] = 60; // TTL in seconds.
        BinaryPrimitives.WriteUInt16BigEndian(record.AsSpan(10), (ushort)found.Length);
        return [.. answer, .. record, .. found];
    }

    private static (string Name, int End) ReadName(byte[] message, int at)
    {
        List<string> labels = [];
        for (; message[at] > 0; at += 1 + message[at])
        {
            labels.Add(Encoding.ASCII.GetString(message, at + 1, message[at]).ToLowerInvariant());
        }

        return (string.Join('.', labels), at + 1);
    }

    private static byte[] NameOf(string name) =>
        [.. name.Split('.').SelectMany(label => Encoding.ASCII.GetBytes(label).Prepend((byte)label.Length)), 0];
}
