using System.Buffers.Binary;
using System.Text;

namespace Dts.Common.Logs.Mongo;

/// <summary>Writes one BSON document (https://bsonspec.org), as far as DTS needs it.</summary>
/// <remarks>Not thread-safe. Elements in the order of the calls; a nested document or array is open until it is ended.</remarks>
internal sealed class BsonWriter
{
    private readonly Stack<(int Start, int Count)> _open = new();
    private byte[] _bytes = new byte[512];
    private int _length;
    private int _count = -1; // Elements of the array that is open; below 0 = it is a document.

    public BsonWriter() => Open(isArray: false);

    /// <summary>Bytes so far, of the whole document.</summary>
    public int Length => _length;

    public BsonWriter Text(string name, string value)
    {
        Head(0x02, name);
        var size = Encoding.UTF8.GetByteCount(value);
        Int32(size + 1);
        Encoding.UTF8.GetBytes(value, Take(size));
        Take(1)[0] = 0;
        return this;
    }

    public BsonWriter Int(string name, int value)
    {
        Head(0x10, name);
        Int32(value);
        return this;
    }

    public BsonWriter Long(string name, long value)
    {
        Head(0x12, name);
        BinaryPrimitives.WriteInt64LittleEndian(Take(8), value);
        return this;
    }

    public BsonWriter Bool(string name, bool value)
    {
        Head(0x08, name);
        Take(1)[0] = value ? (byte)1 : (byte)0;
        return this;
    }

    public BsonWriter Null(string name)
    {
        Head(0x0A, name);
        return this;
    }

    public BsonWriter Date(string name, DateTimeOffset value)
    {
        Head(0x09, name);
        BinaryPrimitives.WriteInt64LittleEndian(Take(8), value.ToUnixTimeMilliseconds());
        return this;
    }

    public BsonWriter Bytes(string name, ReadOnlySpan<byte> value)
    {
        Head(0x05, name);
        Int32(value.Length);
        Take(1)[0] = 0;
        value.CopyTo(Take(value.Length));
        return this;
    }

    public BsonWriter Document(string name, Action<BsonWriter> content) => Nest(0x03, name, isArray: false, content);

    public BsonWriter Array(string name, Action<BsonWriter> content) => Nest(0x04, name, isArray: true, content);

    /// <summary>An element that is a document, of the array that is open.</summary>
    public BsonWriter Document(Action<BsonWriter> content) => Document("", content);

    /// <summary>An element that is a text, of the array that is open.</summary>
    public BsonWriter Text(string value) => Text("", value);

    /// <summary>The whole document; nothing may be written after it.</summary>
    public byte[] ToArray()
    {
        Close();
        return _bytes[.._length];
    }

    private BsonWriter Nest(byte type, string name, bool isArray, Action<BsonWriter> content)
    {
        Head(type, name);
        Open(isArray);
        content(this);
        Close();
        return this;
    }

    private void Open(bool isArray)
    {
        _open.Push((_length, _count));
        _count = isArray ? 0 : -1;
        Int32(0);
    }

    private void Close()
    {
        Take(1)[0] = 0;
        (var start, _count) = _open.Pop();
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(start), _length - start);
    }

    private void Head(byte type, string name)
    {
        name = _count < 0 ? name : (_count++).ToString(System.Globalization.CultureInfo.InvariantCulture);
        Take(1)[0] = type;
        Encoding.UTF8.GetBytes(name, Take(Encoding.UTF8.GetByteCount(name)));
        Take(1)[0] = 0;
    }

    private void Int32(int value) => BinaryPrimitives.WriteInt32LittleEndian(Take(4), value);

    private Span<byte> Take(int size)
    {
        if (_length + size > _bytes.Length)
        {
            System.Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + size));
        }

        _length += size;
        return _bytes.AsSpan(_length - size, size);
    }
}
