using System.Buffers.Binary;
using System.Text;

namespace Dts.Common.Logs.Mongo;

/// <summary>A value out of a BSON document (https://bsonspec.org); what it is not reads as that type's nothing, so that a reader of foreign documents is tolerant.</summary>
/// <param name="type">The element's type byte; 0 = there was no such element.</param>
internal readonly struct BsonValue(byte type, ReadOnlyMemory<byte> bytes)
{
    private const byte Nothing = 0;

    public static BsonValue Of(ReadOnlyMemory<byte> document) => new(0x03, document);

    public bool IsMissing => type is Nothing or 0x0A;

    /// <summary>The element of a document; one that is missing if there is none, or this is no document.</summary>
    public BsonValue this[string name]
    {
        get
        {
            foreach (var (key, value) in Elements)
            {
                if (key == name)
                {
                    return value;
                }
            }

            return default;
        }
    }

    /// <summary>The elements of a document or an array.</summary>
    public IEnumerable<(string Name, BsonValue Value)> Elements
    {
        get
        {
            if (type is not (0x03 or 0x04))
            {
                yield break;
            }

            for (var at = 4; at < bytes.Length - 1;)
            {
                var kind = bytes.Span[at++];
                var nameEnd = at + bytes.Span[at..].IndexOf((byte)0);
                var name = Encoding.UTF8.GetString(bytes.Span[at..nameEnd]);
                var size = SizeOf(kind, bytes.Span[(nameEnd + 1)..]);
                yield return (name, new BsonValue(kind, bytes.Slice(nameEnd + 1, size)));
                at = nameEnd + 1 + size;
            }
        }
    }

    public string AsText => type == 0x02 ? Encoding.UTF8.GetString(bytes.Span[4..^1]) : "";

    public long AsLong => type switch
    {
        0x10 => BinaryPrimitives.ReadInt32LittleEndian(bytes.Span),
        0x12 or 0x09 => BinaryPrimitives.ReadInt64LittleEndian(bytes.Span),
        0x01 => (long)BinaryPrimitives.ReadDoubleLittleEndian(bytes.Span),
        _ => 0,
    };

    public bool AsBool => type == 0x08 ? bytes.Span[0] != 0 : AsLong != 0;

    public ReadOnlyMemory<byte> AsBytes => type == 0x05 ? bytes[5..] : default;

    /// <summary>The bytes of a document, for what takes one.</summary>
    public ReadOnlyMemory<byte> Raw => bytes;

    internal static int SizeOf(byte type, ReadOnlySpan<byte> value) => type switch
    {
        0x01 or 0x09 or 0x11 or 0x12 => 8,
        0x02 or 0x0D or 0x0E => 4 + BinaryPrimitives.ReadInt32LittleEndian(value),
        0x03 or 0x04 or 0x0F => BinaryPrimitives.ReadInt32LittleEndian(value),
        0x05 => 5 + BinaryPrimitives.ReadInt32LittleEndian(value),
        0x07 => 12,
        0x08 => 1,
        0x10 => 4,
        0x13 => 16,
        0x06 or 0x0A or 0x7F or 0xFF => 0,
        0x0B => RegexSize(value),
        _ => throw new LogStoreException($"the document database sent a BSON type that is none: {type}", new InvalidDataException()),
    };

    private static int RegexSize(ReadOnlySpan<byte> value)
    {
        var pattern = value.IndexOf((byte)0) + 1;
        return pattern + value[pattern..].IndexOf((byte)0) + 1;
    }
}
