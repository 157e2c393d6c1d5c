using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using Dts.Common.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Dts.Common.Logs;

/// <summary>Records on this host's disk, from the end of their run until the log store has them.</summary>
/// <remarks>
/// <para>Constraints: a record is on disk before its run is completed in etcd; a kill -9 at any moment loses nothing that
/// <see cref="Append"/> returned for; a record may be shipped twice, never not at all.</para>
/// <para>Scheme: numbered segment files of entries, each a length, a CRC-32C (four bytes each, little-endian) and the record's JSON. A start opens
/// a new segment, so a torn tail is never written behind. A damaged entry is skipped, and what follows it in its segment only where its length is
/// damaged, too. What has been shipped is noted in the file <c>shipped</c>, without haste; whole segments that have been shipped are deleted.</para>
/// <para>One thread appends, one reads.</para>
/// </remarks>
public sealed class Spool : IDisposable
{
    private const int EntryHead = 8;
    private const long SegmentBytes = 8 << 20;
    private const int LongestEntry = 64 << 20;

    private readonly string _folder;
    private readonly long _quotaBytes;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<long, long> _segments = []; // number -> bytes that are on disk for sure
    private readonly long _firstOwn; // Segments before it were left by an earlier process.
    private SafeFileHandle _file;
    private long _writing;
    private long _length; // Of the segment being written.
    private Position _shipped;
    private long _appended;
    private long _acknowledged;
    private bool _full;
#if SABOTAGE
    private IReadOnlyList<RunRecord> _late = [];
#endif

    private Spool(string folder, long quotaBytes, ILogger log)
    {
        (_folder, _quotaBytes, _log) = (folder, quotaBytes, log);
        Directory.CreateDirectory(folder);
        foreach (var path in Directory.EnumerateFiles(folder, "*.spool"))
        {
            if (long.TryParse(Path.GetFileNameWithoutExtension(path), CultureInfo.InvariantCulture, out var number))
            {
                _segments[number] = new FileInfo(path).Length;
            }
        }

        _shipped = ReadShipped();
        _firstOwn = _writing = Math.Max(_segments.Keys.LastOrDefault(), _shipped.Segment) + 1;
        _file = OpenSegment(_writing);
    }

    /// <summary>Records that were appended by this process and are not shipped yet, at least.</summary>
    public long Waiting => Interlocked.Read(ref _appended) - Interlocked.Read(ref _acknowledged);

    /// <exception cref="SettingsException">The folder cannot be made or read.</exception>
    public static Spool Open(string folder, long quotaBytes, ILogger log) => DataFault.Guard(folder, () => new Spool(folder, quotaBytes, log));

    /// <summary>Writes records; they survive a crash of process and host when it returns. Above the quota they go without their output.</summary>
    /// <exception cref="IOException">The disk does not take them; none of them counts as written.</exception>
    public void Append(IReadOnlyList<RunRecord> records)
    {
#if SABOTAGE
        if (Hosting.Sabotage.OfSpool)
        {
            (records, _late) = (_late, [.. records]);
        }
#endif
        if (_length >= SegmentBytes)
        {
            var next = OpenSegment(_writing + 1);
            _file.Dispose();
            (_file, _writing, _length) = (next, _writing + 1, 0);
        }

        var shorten = IsAboveQuota();
        using var entries = new MemoryStream();
        foreach (var record in records)
        {
            WriteEntry(entries, shorten ? record with { Output = "", OutputTruncated = record.OutputTruncated || record.Output.Length > 0 } : record);
        }

        // Written at a fixed place: what a failed attempt left there is overwritten by the next.
        RandomAccess.Write(_file, entries.GetBuffer().AsSpan(0, (int)entries.Length), _length);
        RandomAccess.FlushToDisk(_file);
        _length += entries.Length;
        lock (_gate)
        {
            _segments[_writing] = _length;
        }

        Interlocked.Add(ref _appended, records.Count);
    }

    /// <summary>The oldest records that are not shipped, up to a number of them; none = all is shipped.</summary>
    public Batch Read(int most)
    {
        var records = new List<RunRecord>();
        var own = 0;
        var position = _shipped;
        while (records.Count < most && FindNext(position) is var (segment, offset, length))
        {
            position = new Position(segment, offset);
            var (record, size) = ReadEntry(position, length);
            if (record is not null)
            {
                records.Add(record);
                own += segment >= _firstOwn ? 1 : 0;
            }
            else
            {
                _log.SpoolTorn(SegmentPath(segment), size);
            }

            position = position with { Offset = offset + size };
        }

        return new Batch(records, own, position);
    }

    /// <summary>Marks a batch, and all before it, as shipped.</summary>
    public void Acknowledge(Batch batch)
    {
        var end = batch.End;
        if (end == _shipped)
        {
            return;
        }

        _shipped = end;
        Acknowledge(batch.Own);
        long[] done;
        lock (_gate)
        {
            var last = _segments.Keys.Last(); // Still being written.
            done = [.. _segments.Keys.Where(number => number < end.Segment || (number == end.Segment && number < last && end.Offset >= _segments[number]))];
            foreach (var number in done)
            {
                _segments.Remove(number);
            }
        }

        WriteShipped();
        foreach (var number in done)
        {
            File.Delete(SegmentPath(number));
        }
    }

    public void Dispose() => _file.Dispose();

    /// <summary>When nothing is left to be shipped, nothing waits: what was damaged on the disk does not either.</summary>
    private void Acknowledge(int own)
    {
        var appended = Interlocked.Read(ref _appended);
        var acknowledged = _acknowledged + own;
        Interlocked.Exchange(ref _acknowledged, FindNext(_shipped) is null ? Math.Max(acknowledged, appended) : acknowledged);
    }

    private static void WriteEntry(MemoryStream entries, RunRecord record)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(record, DtsJson.Readable.RunRecord);
        Span<byte> head = stackalloc byte[EntryHead];
        BinaryPrimitives.WriteInt32LittleEndian(head, json.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], Checksum(json));
        entries.Write(head);
        entries.Write(json);
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

    private (long Segment, long Offset, long Length)? FindNext(Position from)
    {
        lock (_gate)
        {
            foreach (var (number, length) in _segments)
            {
                var offset = number == from.Segment ? from.Offset : 0;
                if (number >= from.Segment && offset < length)
                {
                    return (number, offset, length);
                }
            }
        }

        return null;
    }

    /// <summary>The record at a place and the bytes it takes. Without a record: how many bytes are no use, one entry's where its length can be believed.</summary>
    private (RunRecord? Record, long Size) ReadEntry(Position at, long length)
    {
        using var file = File.OpenHandle(SegmentPath(at.Segment), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        Span<byte> head = stackalloc byte[EntryHead];
        if (RandomAccess.Read(file, head, at.Offset) < EntryHead)
        {
            return (null, length - at.Offset);
        }

        var size = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (size is <= 0 or > LongestEntry || at.Offset + EntryHead + size > length)
        {
            return (null, length - at.Offset);
        }

        var json = new byte[size];
        return RandomAccess.Read(file, json, at.Offset + EntryHead) == size && Checksum(json) == BinaryPrimitives.ReadUInt32LittleEndian(head[4..])
            ? (TryParse(json), EntryHead + size)
            : (null, EntryHead + size);
    }

    private static RunRecord? TryParse(byte[] json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, DtsJson.Readable.RunRecord);
        }
        catch (JsonException)
        {
            return null; // Of another version.
        }
    }

    private bool IsAboveQuota()
    {
        lock (_gate)
        {
            var full = _segments.Values.Sum() > _quotaBytes;
            if (full != _full)
            {
                _full = full;
                _log.SpoolFull(full, _folder, _quotaBytes);
            }

            return full;
        }
    }

    private SafeFileHandle OpenSegment(long number)
    {
        var file = File.OpenHandle(SegmentPath(number), FileMode.Create, FileAccess.Write, FileShare.Read);
        lock (_gate)
        {
            _segments[number] = 0;
        }

        return file;
    }

    private string SegmentPath(long number) => Path.Combine(_folder, $"{number:D12}.spool");

    private string ShippedPath() => Path.Combine(_folder, "shipped");

    private Position ReadShipped()
    {
        var path = ShippedPath();
        return File.Exists(path)
            && File.ReadAllText(path).Split(' ') is [var segment, var offset]
            && long.TryParse(segment, CultureInfo.InvariantCulture, out var number)
            && long.TryParse(offset, CultureInfo.InvariantCulture, out var bytes)
                ? new Position(number, bytes)
                : default;
    }

    private void WriteShipped()
    {
        File.WriteAllText(ShippedPath() + ".new", string.Create(CultureInfo.InvariantCulture, $"{_shipped.Segment} {_shipped.Offset}"));
        File.Move(ShippedPath() + ".new", ShippedPath(), overwrite: true);
    }

    /// <summary>Records in the order in which they were appended, and the place behind them.</summary>
    /// <param name="Own">How many of them this process appended.</param>
    public sealed record Batch(IReadOnlyList<RunRecord> Records, int Own, Position End);

    /// <summary>A place between two entries.</summary>
    public readonly record struct Position(long Segment, long Offset);
}
