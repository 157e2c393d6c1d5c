using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Dts.Common.Hosting;
using Dts.Common.Logs;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Records;

/// <summary>One file of a spool: entries, each a length, a CRC-32C (four bytes each, little-endian) and a record's JSON.</summary>
internal static class SpoolSegment
{
    private const string UnknownRun = "an unknown run";
    private const int EntryHead = 8;
    private const int LongestEntry = 64 << 20;
    private const int WorthShortening = 2048; // Shorter entries are copied unchanged.

    /// <summary>Appends a record to entries; the stream must be at its end.</summary>
    /// <param name="json">A writer to the stream, which is reused for several entries.</param>
    public static void WriteEntry(MemoryStream entries, Utf8JsonWriter json, RunRecord record)
    {
        var start = (int)entries.Length;
        entries.Write(stackalloc byte[EntryHead]);
        json.Reset();
        JsonSerializer.Serialize(json, record, LogsJson.Readable.RunRecord);
        var head = entries.GetBuffer().AsSpan(start, EntryHead);
        var body = entries.GetBuffer().AsSpan(start + EntryHead, (int)entries.Length - start - EntryHead);
        BinaryPrimitives.WriteInt32LittleEndian(head, body.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], Checksum(body));
    }

    public static SafeFileHandle OpenToRead(string path) =>
        File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>
    /// Reads the record at an offset and its size in the file. If the bytes are not a record, the size is the number of bytes to skip (one
    /// entry if its length is plausible, else all), and Run is the run that they probably belong to.
    /// </summary>
    /// <param name="buffer">Replaced by a larger one if the entry needs it.</param>
    public static (RunRecord? Record, long Size, string Run) ReadEntry(SafeFileHandle file, long offset, long length, ref byte[] buffer)
    {
        Span<byte> head = stackalloc byte[EntryHead];
        if (RandomAccess.Read(file, head, offset) < EntryHead || !TryReadSize(head, length - offset, out var size))
        {
            return (null, length - offset, UnknownRun);
        }

        buffer = buffer.Length >= size ? buffer : new byte[Math.Max(size, Math.Min(2 * buffer.Length, LongestEntry))];
        var json = buffer.AsSpan(0, size);
        var whole = RandomAccess.Read(file, json, offset + EntryHead) == size;
        return (whole ? TryParse(head, json) : null, EntryHead + size, FindRun(json));
    }

    /// <summary>Finds the run's id in the text of a record that may be damaged.</summary>
    private static string FindRun(ReadOnlySpan<byte> json)
    {
        var name = "\"_id\":\""u8;
        return json.IndexOf(name) is >= 0 and var at
            && json[(at + name.Length)..] is var rest
            && rest.IndexOf((byte)'"') is > 0 and var length
            ? Display.Line(Encoding.UTF8.GetString(rest[..length]))
            : UnknownRun;
    }

    /// <summary>Counts the entries from an offset on, by their lengths alone.</summary>
    public static long CountEntries(string path, long offset)
    {
        using var entries = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        entries.Position = offset;
        Span<byte> head = stackalloc byte[EntryHead];
        var count = 0L;
        while (entries.ReadAtLeast(head, EntryHead, throwOnEndOfStream: false) == EntryHead
            && TryReadSize(head, entries.Length - entries.Position + EntryHead, out var size))
        {
            entries.Position += size;
            count++;
        }

        return count;
    }

    /// <summary>
    /// Copies a segment to another file, with the long outputs cut to head and tail. Damaged entries are copied unchanged. The file is on
    /// disk when this returns.
    /// </summary>
    /// <returns>The number of records that were shortened; 0 = none, and the copy is useless.</returns>
    /// <exception cref="IOException">The segment cannot be read, or the file cannot be written.</exception>
    public static int Shorten(string path, string to)
    {
        using var from = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var into = new FileStream(to, FileMode.Create, FileAccess.Write);
        Span<byte> head = stackalloc byte[EntryHead];
        var shortened = 0;
        while (from.ReadAtLeast(head, EntryHead, throwOnEndOfStream: false) is > 0 and var read)
        {
            if (read < EntryHead || !TryReadSize(head, from.Length - from.Position + EntryHead, out var size))
            {
                into.Write(head[..read]);
                from.CopyTo(into);
                break;
            }

            var json = new byte[size];
            from.ReadExactly(json);
            if (size > WorthShortening
                && TryParse(head, json) is { } record
                && record.Shortened() is var shorter
                && !ReferenceEquals(shorter, record))
            {
                using var entry = new MemoryStream();
                using var writer = LogsJson.WriteTo(entry);
                WriteEntry(entry, writer, shorter);
                into.Write(entry.GetBuffer(), 0, (int)entry.Length);
                shortened++;
            }
            else
            {
                into.Write(head);
                into.Write(json);
            }
        }

        if (shortened > 0)
        {
            into.Flush(flushToDisk: true);
        }

        return shortened;
    }

    private static bool TryReadSize(ReadOnlySpan<byte> head, long left, out int size)
    {
        size = BinaryPrimitives.ReadInt32LittleEndian(head);
        return size is > 0 and <= LongestEntry && EntryHead + size <= left;
    }

    private static RunRecord? TryParse(ReadOnlySpan<byte> head, ReadOnlySpan<byte> json)
    {
        try
        {
            return Checksum(json) == BinaryPrimitives.ReadUInt32LittleEndian(head[4..])
                ? JsonSerializer.Deserialize(json, LogsJson.Readable.RunRecord)
                : null;
        }
        catch (JsonException)
        {
            return null; // Of another version.
        }
    }

    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (var rest in bytes)
        {
            crc = BitOperations.Crc32C(crc, rest);
        }

        return ~crc;
    }
}
