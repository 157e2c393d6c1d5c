using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using MongoDB.Bson;

namespace Dts.Tests.Support;

/// <summary>Messages of MongoDB's wire protocol, read and written.</summary>
/// <remarks>https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol</remarks>
internal static class WireMessage
{
    public const int OpReply = 1;
    public const int OpQuery = 2004;
    public const int OpCompressed = 2012;
    public const int OpMsg = 2013;

    /// <summary>The command, with a member $db as in OP_MSG, taken from the name of its collection.</summary>
    public static List<RawElement> ReadQuery(byte[] body)
    {
        var collectionEnd = Array.IndexOf(body, (byte)0, 4);
        var database = Encoding.UTF8.GetString(body.AsSpan(4, collectionEnd - 4)).Split('.')[0];
        var command = RawElement.ReadAll(body.AsMemory(collectionEnd + 1 + 8));
        return [.. command, .. RawElement.ReadAll(new BsonDocument("$db", database).ToBson())];
    }

    /// <summary>The command; sections of their own, such as the documents of an insert, become arrays in it.</summary>
    public static List<RawElement> ReadMessage(byte[] body)
    {
        List<RawElement> command = [];
        for (var at = 4; at < body.Length;)
        {
            var kind = body[at++];
            var size = BinaryPrimitives.ReadInt32LittleEndian(body.AsSpan(at));
            if (kind == 0)
            {
                command.InsertRange(0, RawElement.ReadAll(body.AsMemory(at, size)));
            }
            else
            {
                var nameEnd = Array.IndexOf(body, (byte)0, at + 4);
                command.Add(RawElement.Array(
                    Encoding.UTF8.GetString(body.AsSpan(at + 4, nameEnd - at - 4)), body.AsMemory(nameEnd + 1, at + size - nameEnd - 1)));
            }

            at += size;
        }

        return command;
    }

    public static string CompressorOf(byte id) => id switch { 1 => "snappy", 2 => "zlib", _ => "zstd" };

    public static byte[] Decompress(byte compressor, byte[] body)
    {
        var (size, bytes) = (BinaryPrimitives.ReadInt32LittleEndian(body.AsSpan(4)), body[9..]);
        switch (compressor)
        {
            case 1:
                return Snappier.Snappy.DecompressToArray(bytes);
            case 2:
                var plain = new byte[size];
                using (var zlib = new ZLibStream(new MemoryStream(bytes), CompressionMode.Decompress))
                {
                    zlib.ReadExactly(plain);
                }

                return plain;
            default:
                using (var zstd = new ZstdSharp.DecompressionStream(new MemoryStream(bytes)))
                {
                    var all = new byte[size];
                    zstd.ReadExactly(all);
                    return all;
                }
        }
    }

    public static byte[] Compress(byte compressor, byte[] reply)
    {
        using var bytes = new MemoryStream();
        bytes.Write(reply.AsSpan(0, 12));
        bytes.Write(new byte[13]);
        switch (compressor)
        {
            case 1:
                bytes.Write(Snappier.Snappy.CompressToArray(reply.AsSpan(16)));
                break;
            case 2:
                using (var zlib = new ZLibStream(bytes, CompressionLevel.Fastest, leaveOpen: true))
                {
                    zlib.Write(reply.AsSpan(16));
                }

                break;
            default:
                using (var zstd = new ZstdSharp.CompressionStream(bytes, leaveOpen: true))
                {
                    zstd.Write(reply.AsSpan(16));
                }

                break;
        }

        var message = bytes.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(12), OpCompressed);
        reply.AsSpan(12, 4).CopyTo(message.AsSpan(16));
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(20), reply.Length - 16);
        message[24] = compressor;
        return message;
    }

    public static byte[] Reply(int opCode, int responseTo, byte[] head, byte[] document, bool count)
    {
        var reply = new byte[16 + head.Length + document.Length];
        BinaryPrimitives.WriteInt32LittleEndian(reply, reply.Length);
        BinaryPrimitives.WriteInt32LittleEndian(reply.AsSpan(8), responseTo);
        BinaryPrimitives.WriteInt32LittleEndian(reply.AsSpan(12), opCode);
        head.CopyTo(reply.AsSpan(16));
        if (count)
        {
            BinaryPrimitives.WriteInt32LittleEndian(reply.AsSpan(16 + 16), 1); // documents returned
        }

        document.CopyTo(reply.AsSpan(16 + head.Length));
        return reply;
    }
}
