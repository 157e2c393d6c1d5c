using System.Globalization;
using System.Text;

namespace Dts.Worker.Commands.Holders;

/// <summary>Keeps head and tail of a command's output, and counts its bytes.</summary>
/// <remarks>
/// Not thread-safe. Memory grows with the output, in pieces of 4 KiB, up to the limit. The first half of the limit keeps the head; the
/// other half is a ring, in which new bytes replace the oldest.
/// </remarks>
internal sealed class OutputCapture(int limitBytes, OutputFile? file = null)
{
    public const int MarkerSizeMax = 48; // "\n[... 18446744073709551615 bytes cut ...]\n"

    private const int PieceSize = 4096;
    private readonly int _limit = Math.Max(limitBytes, 0);
    private readonly int _headSize = Math.Max(limitBytes, 0) / 2;
    private byte[]?[]? _pieces;

    /// <summary>How many bytes were written, kept or not.</summary>
    public long TotalBytes { get; private set; }

    /// <summary>Makes the output so far readable for others.</summary>
    public void Show() => file?.Show();

    /// <summary>
    /// Ends the file, and returns its number of bytes. Output that the text does not give byte for byte always gets a file.
    /// </summary>
    public long CloseFile()
    {
        file?.End(textBytesMax: _limit);
        return file?.Stored ?? 0;
    }

    /// <summary>The line in place of the bytes that were cut.</summary>
    public static string Marker(long bytesCut) => string.Create(CultureInfo.InvariantCulture, $"\n[... {bytesCut} bytes cut ...]\n");

    public void Append(ReadOnlySpan<byte> bytes)
    {
        file?.Append(bytes);
        while (bytes.Length > 0)
        {
            // Bytes that the rest would overwrite are skipped.
            var ring = _limit - _headSize;
            if (TotalBytes >= _headSize && bytes.Length > ring)
            {
                TotalBytes += bytes.Length - ring;
                bytes = bytes[^ring..];
                continue;
            }

            var room = RoomAt(TotalBytes);
            var count = Math.Min(room.Length, bytes.Length);
            bytes[..count].CopyTo(room);
            bytes = bytes[count..];
            TotalBytes += count;
        }
    }

    /// <summary>The output as text; in UTF-8, with marker and replacements, it fits into the limit.</summary>
    public (string Text, bool Truncated) ToText()
    {
        var head = new byte[(int)Math.Min(TotalBytes, TotalBytes > _limit ? _headSize : _limit)];
        Copy(0, head);
        if (TotalBytes <= _limit && Encoding.UTF8.GetString(head) is var whole && FitsInto(whole, _limit))
        {
            return (whole, false);
        }

        if (_limit < MarkerSizeMax)
        {
            return ("", true);
        }

        var tail = head;
        if (TotalBytes > _limit)
        {
            tail = new byte[_limit - _headSize];
            Copy(TotalBytes - tail.Length, tail);
        }

        // Both give room to the marker, so head and tail are longer than their budgets, as the cuts require.
        var budget = _limit - MarkerSizeMax;
        var front = Utf8Cut.Front(head, budget / 2);
        var back = Utf8Cut.Back(tail, budget - (budget / 2));
        var marker = Marker(TotalBytes - front.Length - back.Length);
        return (Encoding.UTF8.GetString(front) + marker + Encoding.UTF8.GetString(back), true);
    }

    private static bool FitsInto(string text, int limit) => text.Length <= limit / 3 || Encoding.UTF8.GetByteCount(text) <= limit;

    private void Copy(long position, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            ReadOnlySpan<byte> kept = RoomAt(position);
            var count = Math.Min(kept.Length, destination.Length);
            kept[..count].CopyTo(destination);
            destination = destination[count..];
            position += count;
        }
    }

    // The place of the byte at a position of the stream, up to the end of its piece or of the ring.
    private Span<byte> RoomAt(long position)
    {
        var offset = position < _headSize ? (int)position : _headSize + (int)((position - _headSize) % (_limit - _headSize));
        _pieces ??= new byte[]?[(_limit + PieceSize - 1) / PieceSize];
        var piece = _pieces[offset / PieceSize] ??= new byte[Math.Min(PieceSize, _limit)];
        var start = offset % PieceSize;
        return piece.AsSpan(start, Math.Min(piece.Length - start, _limit - offset));
    }
}
