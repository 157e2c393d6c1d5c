using Dts.Common.Hosting;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Records;

/// <summary>The records on this host's disk, from the end of their run until the log store has them.</summary>
/// <remarks>
/// <para>Constraints: a record is on disk before its run is completed in etcd. A kill -9 at any moment loses nothing that
/// <see cref="Append"/> returned for. A record may be shipped twice, but never not at all.</para>
/// <para>Scheme: numbered segment files (<see cref="SpoolSegment"/>). Each start opens a new segment, so nothing is written behind a torn
/// tail. A damaged entry is skipped; if its length is damaged too, the rest of its segment is. A segment that cannot be read is passed
/// over and stays for the next start, which goes on from there: what this process ships of later segments is noted as not shipped.</para>
/// <para>One thread appends, one reads.</para>
/// </remarks>
internal sealed partial class Spool : IDisposable
{
    private const int BatchBytesMax = 8 << 20; // Without its last record.
    private const int BufferBytesKept = 1 << 20;

    private readonly SpoolFolder _folder;
    private readonly SpoolQuota _quota;
    private readonly ILogger _log;
    private readonly MemoryStream _entries = new(); // Reused by each batch that is appended.
    private byte[] _entry = []; // Reused by each entry that is read.
    private SafeFileHandle _file;
    private long _writing; // The number of the segment being written.
    private long _length; // Its length.
    private bool _hasFailed; // The last write.
    private long _appended;
    private long _acknowledged;

    private Spool(string folder, long quotaBytes, ILogger log)
    {
        (_folder, _log) = (new SpoolFolder(folder), log);
        _quota = new SpoolQuota(_folder, quotaBytes, log);
        _writing = _folder.FirstOwn;
        _file = _folder.OpenSegment(_writing);
    }

    /// <summary>The records that this process appended and that are not shipped yet, at least.</summary>
    public long Waiting => Interlocked.Read(ref _appended) - Interlocked.Read(ref _acknowledged);

    /// <exception cref="SettingsException">The folder cannot be made or read.</exception>
    public static Spool Open(string folder, long quotaBytes, ILogger log) =>
        DataFolder.Guard(folder, () => new Spool(folder, quotaBytes, log));

    /// <summary>Counts all records that are not shipped yet, by reading the files.</summary>
    public long CountWaiting()
    {
        try
        {
            return SpoolFolder.CountWaiting(_folder.Path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Waiting;
        }
    }

    /// <summary>
    /// Writes a batch, from the first record on, and returns its number of records. When it returns, they survive a crash of the
    /// process and of the host.
    /// </summary>
    /// <exception cref="IOException">The disk cannot be written; no record of the batch counts as written.</exception>
    public int Append(IReadOnlyList<RunRecord> records)
    {
        // After a failure, too: if shipped records fill the disk, the segment being written is the one that has to go.
        if (_length >= _quota.SegmentBytes || (_hasFailed && _length > 0))
        {
            var next = _folder.OpenSegment(_writing + 1);
            _file.Dispose();
            (_file, _writing, _length) = (next, _writing + 1, 0);
            _folder.DeleteShipped();
        }

        var taken = Encode(records);
        var shortened = 0;
        if (!_quota.TryMakeRoom(_entries.Length, _writing))
        {
            var shorter = records.Take(taken).Select(record => record.Shortened()).ToList();
            shortened = shorter.Where((record, i) => !ReferenceEquals(record, records[i])).Count();
            Encode(shorter);
        }

        HoldBack(_entries);
        _hasFailed = true;
        RandomAccess.Write(_file, _entries.GetBuffer().AsSpan(0, (int)_entries.Length), _length); // Over the rest of a failed attempt.
        RandomAccess.FlushToDisk(_file);
        _length += _entries.Length;
        _hasFailed = false;
        _folder.SetLength(_writing, _length);
        Interlocked.Add(ref _appended, taken);
        _quota.NoteWritten(shortened);
        return taken;
    }

    /// <summary>
    /// Reads the oldest records that are not shipped, up to a number and up to the bytes that stores take at a time; none = all is
    /// shipped.
    /// </summary>
    public Batch Read(int most)
    {
        var records = new List<RunRecord>();
        var own = 0;
        var bytes = 0L;
        var end = _folder.Shipped;
        SafeFileHandle? file = null; // Of the segment that the end is in.
        while (records.Count < most && bytes < BatchBytesMax && _folder.FindNext(end) is var (at, length))
        {
            if (at.Segment != end.Segment)
            {
                file?.Dispose();
                file = null;
            }

            var (record, size) = ReadEntry(ref file, at, length);
            if (record is not null)
            {
                records.Add(record);
                own += at.Segment >= _folder.FirstOwn ? 1 : 0;
            }

            end = at with { Offset = at.Offset + size };
            bytes += record is null ? 0 : size;
        }

        file?.Dispose();
        _entry = _entry.Length > BufferBytesKept ? [] : _entry;
        return new Batch(records, own, end, IsFull: records.Count >= most || bytes >= BatchBytesMax);
    }

    /// <summary>Marks a batch, and all before it, as shipped.</summary>
    public void Acknowledge(Batch batch)
    {
        if (batch.End == _folder.Shipped)
        {
            return;
        }

        _folder.Shipped = batch.End;

        // If nothing is left to ship, nothing waits: records that were damaged on disk are never acknowledged.
        var appended = Interlocked.Read(ref _appended);
        var acknowledged = _acknowledged + batch.Own;
        Interlocked.Exchange(ref _acknowledged, _folder.FindNext(batch.End) is null ? Math.Max(acknowledged, appended) : acknowledged);
        _folder.DeleteShipped(); // First, because it makes room. A start passes over what was deleted and not noted as shipped.
        _folder.WriteShipped();
    }

    public void Dispose()
    {
        _file.Dispose();
        _entries.Dispose();
    }

    /// <summary>Reads a record and its size; null = it cannot be read, and so many bytes must be skipped.</summary>
    /// <param name="file">The segment's file; null = not opened yet, or unreadable.</param>
    private (RunRecord? Record, long Size) ReadEntry(ref SafeFileHandle? file, SpoolPosition at, long length)
    {
        var path = _folder.PathOf(at.Segment);
        try
        {
            file ??= SpoolSegment.OpenToRead(path);
            var (record, size, run) = SpoolSegment.ReadEntry(file, at.Offset, length, ref _entry);
            if (record is null)
            {
                _log.SpoolTorn(path, size, run);
            }

            return (record, size);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            _log.SpoolUnreadable(path, failure.Message);
            _folder.PassOver(at);
            return (null, length - at.Offset);
        }
    }

    /// <summary>Puts a batch of records into <see cref="_entries"/> and returns its number of records.</summary>
    private int Encode(IReadOnlyList<RunRecord> records)
    {
        _entries.SetLength(0);
        _entries.Capacity = Math.Min(_entries.Capacity, BufferBytesKept);
        using var json = LogsJson.WriteTo(_entries);
        var taken = 0;
        for (; taken < records.Count && _entries.Length < BatchBytesMax; taken++)
        {
            SpoolSegment.WriteEntry(_entries, json, records[taken]);
        }

        return taken;
    }

    /// <summary>Does nothing, except in the executable that shows that the fault test notices broken promises.</summary>
    partial void HoldBack(MemoryStream entries);

    /// <summary>Records in the order in which they were appended, and the place behind them.</summary>
    /// <param name="Own">How many of them this process appended.</param>
    /// <param name="IsFull">There may be more behind it.</param>
    public sealed record Batch(IReadOnlyList<RunRecord> Records, int Own, SpoolPosition End, bool IsFull);
}
