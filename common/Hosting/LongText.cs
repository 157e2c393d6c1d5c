using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dts.Common.Hosting;

/// <summary>Reads and writes a long text as JSON in pieces.</summary>
/// <remarks>
/// For a text with escapes the JSON library rents up to 18 bytes per character, from a pool that keeps such arrays per thread. So memory
/// would depend on how many threads have met a long output.
/// </remarks>
public sealed class LongText : JsonConverter<string>
{
    private const int PieceMax = 1024;

    public override string Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (!reader.ValueIsEscaped || reader.HasValueSequence)
        {
            return reader.GetString()!; // Needs no array but the text.
        }

        var json = reader.ValueSpan;
        return string.Create(Unescape(json, []), json, static (text, json) => Unescape(json, text));
    }

    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options)
    {
        var rest = value.AsSpan();
        for (; rest.Length > PieceMax; rest = rest[PieceMax..])
        {
            writer.WriteStringValueSegment(rest[..PieceMax], isFinalSegment: false);
            writer.Flush(); // Into the stream or buffer behind the writer, whose own buffer stays small.
        }

        writer.WriteStringValueSegment(rest, isFinalSegment: true);
    }

    /// <summary>Returns the length of the text; an empty span only counts.</summary>
    private static int Unescape(ReadOnlySpan<byte> json, Span<char> text)
    {
        Span<byte> quoted = stackalloc byte[PieceMax + 2];
        Span<char> counted = stackalloc char[PieceMax];
        var length = 0;
        while (json.Length > 0)
        {
            var size = FindPiece(json);
            quoted[0] = quoted[size + 1] = (byte)'"';
            json[..size].CopyTo(quoted[1..]);
            var piece = new Utf8JsonReader(quoted[..(size + 2)]);
            piece.Read();
            length += piece.CopyString(text.IsEmpty ? counted : text[length..]);
            json = json[size..];
        }

        return length;
    }

    /// <summary>The size of the first piece, which splits neither an escape nor a character.</summary>
    private static int FindPiece(ReadOnlySpan<byte> json)
    {
        var end = 0;
        while (end < json.Length && end + SizeOfFirst(json[end..]) is var next && next <= PieceMax)
        {
            end = next;
        }

        return Math.Min(end, json.Length); // In invalid UTF-8 the last character may claim to be longer.
    }

    private static int SizeOfFirst(ReadOnlySpan<byte> json) => json switch
    {
        [(byte)'\\', (byte)'u', (byte)'d' or (byte)'D', var next, ..] when "89abAB"u8.Contains(next) => 12, // A surrogate pair.
        [(byte)'\\', (byte)'u', ..] => 6,
        [(byte)'\\', ..] => 2,
        [< 0x80, ..] => 1,
        [< 0xE0, ..] => 2,
        [< 0xF0, ..] => 3,
        _ => 4,
    };
}
