using System.Buffers.Binary;
using System.Text;

namespace Dts.Tests.Support;

/// <summary>An element of a BSON document, with its value as bytes.</summary>
internal sealed record RawElement(byte Type, string Name, ReadOnlyMemory<byte> Value)
{
    public string Text => Type == 0x02 ? Encoding.UTF8.GetString(Value.Span[4..^1]) : "";

    public long Long =>
        Type == 0x12 ? BinaryPrimitives.ReadInt64LittleEndian(Value.Span) : BinaryPrimitives.ReadInt32LittleEndian(Value.Span);

    public static List<RawElement> ReadAll(ReadOnlyMemory<byte> document)
    {
        List<RawElement> elements = [];
        for (var at = 4; document.Span[at] != 0;)
        {
            var type = document.Span[at++];
            var nameEnd = at + document.Span[at..].IndexOf((byte)0);
            var size = SizeOf(type, document.Span[(nameEnd + 1)..]);
            elements.Add(new RawElement(type, Encoding.UTF8.GetString(document.Span[at..nameEnd]), document.Slice(nameEnd + 1, size)));
            at = nameEnd + 1 + size;
        }

        return elements;
    }

    private static int SizeOf(byte type, ReadOnlySpan<byte> value) => type switch
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
        _ => throw new InvalidDataException($"BSON type {type}"),
    };

    private static int RegexSize(ReadOnlySpan<byte> value)
    {
        var pattern = value.IndexOf((byte)0) + 1;
        return pattern + value[pattern..].IndexOf((byte)0) + 1;
    }

    /// <summary>An array of the documents in a section of OP_MSG.</summary>
    public static RawElement Array(string name, ReadOnlyMemory<byte> documents)
    {
        List<RawElement> elements = [];
        for (var at = 0; at < documents.Length;)
        {
            var size = BinaryPrimitives.ReadInt32LittleEndian(documents.Span[at..]);
            elements.Add(new RawElement(0x03, $"{elements.Count}", documents.Slice(at, size)));
            at += size;
        }

        return new RawElement(0x04, name, WriteAll(elements));
    }

    public static byte[] WriteAll(IEnumerable<RawElement> elements)
    {
        using var document = new MemoryStream();
        document.Write(new byte[4]);
        foreach (var element in elements)
        {
            document.WriteByte(element.Type);
            document.Write(Encoding.UTF8.GetBytes(element.Name));
            document.WriteByte(0);
            document.Write(element.Value.Span);
        }

        document.WriteByte(0);
        var bytes = document.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(bytes, bytes.Length);
        return bytes;
    }
}
