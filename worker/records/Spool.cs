using System.Globalization;
using Dts.Common.Hosting;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Records;

/// <summary>Records on this host's disk, from the end of their run until the log store has them.</summary>
/// <remarks>
/// <para>Constraints: a record is on disk before its run is completed in etcd; a kill -9 at any moment loses nothing that
/// <see cref="Append"/> returned for; a record may be shipped twice, never not at all.</para>
/// <para>Scheme: numbered segment files, see <see cref="SpoolSegment"/>. A start opens a new segment, so a torn tail is never written
/// behind. A damaged entry is skipped, and what follows it in its segment only where its length is damaged, too. What has been shipped is
/// noted in the file <c>shipped</c>, without haste; whole segments that have been shipped are deleted. One that cannot be read is passed
/// over and stays for the next start: whatever segment is there then has not been shipped, or may be once more.</para>
/// <para>Quota: when it is full, whoever appends writes the oldest segments that the reader has not come to anew, with the outputs cut,
/// each to a new file that then takes the old one's place. A segment belongs to the reader from its first look into it, so no place that it
/// has noted moves. With nothing left to shorten, new records go with short outputs, too, and at last above the quota: none is
/// dropped.</para>
/// <para>One thread appends, one reads.</para>
/// </remarks>
internal sealed class Spool : IDisposable
{
    private const string Unfinished = ".new"; // Behind the name of a file that is not in its place yet.
    private const long SegmentBytesMax = 8 << 20;
    private const int SegmentsInQuota = 16; // At least, so that there are old ones to be shortened.
    private const int BatchBytesMax = 8 << 20; // Without its last record.
    private const int EntriesKeptMax = 1 << 20;

    private readonly string _folder;
    private readonly long _quotaBytes;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<long, long> _segments = []; // number -> bytes that are on disk for sure
    private readonly long _firstOwn; // Segments before it were left by an earlier process.
    private readonly HashSet<long> _unreadable = [];
    private readonly MemoryStream _entries = new(); // Reused by each batch that is appended.
    private byte[] _entry = []; // Reused by each entry that is read.
    private SafeFileHandle _file;
    private long _writing;
    private long _length; // Of the segment being written.
    private bool _hasFailed; // The last writing.
    private Position _shipped;
    private long _appended;
    private long _acknowledged;
    private long _readUpTo; // The reader has been in this segment and those before it.
    private long _shortenedUpTo;
    private int _shortened; // Records, since it was full.
    private bool _isFull;
    private bool _isAbove;
#if SABOTAGE
    private IReadOnlyList<RunRecord> _late = [];
#endif

    private Spool(string folder, long quotaBytes, ILogger log)
    {
        (_folder, _quotaBytes, _log) = (folder, quotaBytes, log);
        Directory.CreateDirectory(folder);
        foreach (var path in Directory.EnumerateFiles(folder, "*" + Unfinished))
        {
            File.Delete(path); // What it was to replace is still there.
        }

        foreach (var path in Directory.EnumerateFiles(folder, "*.spool"))
        {
            if (long.TryParse(Path.GetFileNameWithoutExtension(path), CultureInfo.InvariantCulture, out var number))
            {
                _segments[number] = new FileInfo(path).Length;
            }
        }

        var shipped = ReadShipped(folder);
        _shipped = _segments.Keys.FirstOrDefault(shipped.Segment) < shipped.Segment ? default : shipped;
        _readUpTo = _shipped.Segment;
        _firstOwn = _writing = Math.Max(_segments.Keys.LastOrDefault(), shipped.Segment) + 1;
        _file = OpenSegment(_writing);
    }

    /// <summary>Records that were appended by this process and are not shipped yet, at least.</summary>
    public long Waiting => Interlocked.Read(ref _appended) - Interlocked.Read(ref _acknowledged);

    /// <summary>Records that are not shipped yet, whoever appended them; it looks through the files.</summary>
    public long CountWaiting()
    {
        try
        {
            return CountWaiting(_folder);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Waiting;
        }
    }

    /// <summary>Records in a folder that are not shipped yet, as far as its files tell; its owner may be at work.</summary>
    public static long CountWaiting(string folder)
    {
        var shipped = ReadShipped(folder);
        return Directory.EnumerateFiles(folder, "*.spool")
            .Where(path => long.TryParse(Path.GetFileNameWithoutExtension(path), CultureInfo.InvariantCulture, out _))
            .Sum(path => SpoolSegment.CountEntries(path, path == SegmentPath(folder, shipped.Segment) ? shipped.Offset : 0));
    }

    /// <exception cref="SettingsException">The folder cannot be made or read.</exception>
    public static Spool Open(string folder, long quotaBytes, ILogger log) =>
        DataFolder.Guard(folder, () => new Spool(folder, quotaBytes, log));

    /// <summary>
    /// Writes a batch, from the first record on, and returns its number of records. When it returns, they survive a crash of the
    /// process and of the host.
    /// </summary>
    /// <exception cref="IOException">The disk cannot be written; none of them counts as written.</exception>
    public int Append(IReadOnlyList<RunRecord> records)
    {
#if SABOTAGE
        if (Sabotage.OfSpool)
        {
            (records, _late) = (_late, [.. records]);
        }
#endif
        // After a failure, too: on a disk that is full of what has been shipped, the segment being written is what has to go.
        if (_length >= Math.Min(SegmentBytesMax, _quotaBytes / SegmentsInQuota) || (_hasFailed && _length > 0))
        {
            var next = OpenSegment(_writing + 1);
            _file.Dispose();
            (_file, _writing, _length) = (next, _writing + 1, 0);
            DeleteShipped();
        }

        var taken = Encode(records);
        var shortened = 0;
        if (!TryMakeRoom(_entries.Length))
        {
            var shorter = records.Take(taken).Select(record => record.Shortened()).ToList();
            shortened = shorter.Where((record, i) => !ReferenceEquals(record, records[i])).Count();
            Encode(shorter);
        }

        // Written at a fixed place: what a failed attempt left there is overwritten by the next.
        _hasFailed = true;
        RandomAccess.Write(_file, _entries.GetBuffer().AsSpan(0, (int)_entries.Length), _length);
        RandomAccess.FlushToDisk(_file);
        _length += _entries.Length;
        _hasFailed = false;
        lock (_gate)
        {
            _segments[_writing] = _length;
        }

        Interlocked.Add(ref _appended, taken);
        _shortened += shortened;
        SayHowFull();
#if SABOTAGE
        return Sabotage.OfSpool ? _late.Count : taken;
#else
        return taken;
#endif
    }

    /// <summary>
    /// The oldest records that are not shipped, up to a number of them, and to so many bytes that stores take them at a time; none = all is
    /// shipped.
    /// </summary>
    public Batch Read(int most)
    {
        var records = new List<RunRecord>();
        var own = 0;
        var bytes = 0L;
        var position = _shipped;
        SafeFileHandle? file = null; // Of the segment that the position is in.
        while (records.Count < most && bytes < BatchBytesMax && FindNext(position) is var (segment, offset, length))
        {
            if (segment != position.Segment)
            {
                file?.Dispose();
                file = null;
            }

            position = new Position(segment, offset);
            try
            {
                file ??= SpoolSegment.OpenToRead(SegmentPath(segment));
                var (record, size, run) = SpoolSegment.ReadEntry(file, offset, length, ref _entry);
                if (record is not null)
                {
                    records.Add(record);
                    own += segment >= _firstOwn ? 1 : 0;
                }
                else
                {
                    _log.SpoolTorn(SegmentPath(segment), size, run);
                }

                position = position with { Offset = offset + size };
                bytes += size;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                _log.SpoolUnreadable(SegmentPath(segment), failure.Message);
                lock (_gate)
                {
                    _unreadable.Add(segment);
                }

                position = position with { Offset = length };
            }
        }

        file?.Dispose();
        _entry = _entry.Length > EntriesKeptMax ? [] : _entry;
        return new Batch(records, own, position, IsFull: records.Count >= most || bytes >= BatchBytesMax);
    }

    /// <summary>Marks a batch, and all before it, as shipped.</summary>
    public void Acknowledge(Batch batch)
    {
        if (batch.End == _shipped)
        {
            return;
        }

        lock (_gate)
        {
            _shipped = batch.End;
        }

        Acknowledge(batch.Own);
        DeleteShipped(); // First, for it makes room; what is deleted and not noted as shipped is passed over.
        WriteShipped();
    }

    public void Dispose()
    {
        _file.Dispose();
        _entries.Dispose();
    }

    /// <summary>When nothing is left to be shipped, nothing waits: what was damaged on the disk does not either.</summary>
    private void Acknowledge(int own)
    {
        var appended = Interlocked.Read(ref _appended);
        var acknowledged = _acknowledged + own;
        Interlocked.Exchange(ref _acknowledged, FindNext(_shipped) is null ? Math.Max(acknowledged, appended) : acknowledged);
    }

    /// <summary>The next entry's place. From now on its segment is the reader's, and is not written anew.</summary>
    private (long Segment, long Offset, long Length)? FindNext(Position from)
    {
        lock (_gate)
        {
            foreach (var (number, length) in _segments)
            {
                var offset = number == from.Segment ? from.Offset : 0;
                if (number >= from.Segment && offset < length)
                {
                    _readUpTo = Math.Max(_readUpTo, number);
                    return (number, offset, length);
                }
            }
        }

        return null;
    }

    private void DeleteShipped()
    {
        long[] done;
        lock (_gate)
        {
            var last = _segments.Keys.Last(); // Still being written.
            done =
            [
                .. _segments.Keys.Where(
                    number => number < _shipped.Segment
                        || (number == _shipped.Segment && number < last && _shipped.Offset >= _segments[number])),
            ];
            foreach (var number in done)
            {
                _segments.Remove(number);
            }

            done = [.. done.Except(_unreadable)];
        }

        foreach (var number in done)
        {
            File.Delete(SegmentPath(number));
        }
    }

    /// <summary>Puts a batch of records into <see cref="_entries"/> and returns its number of records.</summary>
    private int Encode(IReadOnlyList<RunRecord> records)
    {
        _entries.SetLength(0);
        _entries.Capacity = Math.Min(_entries.Capacity, EntriesKeptMax);
        using var json = LogsJson.WriteTo(_entries);
        var taken = 0;
        for (; taken < records.Count && _entries.Length < BatchBytesMax; taken++)
        {
            SpoolSegment.WriteEntry(_entries, json, records[taken]);
        }

        return taken;
    }

    /// <summary>
    /// Shortens what waits, the oldest first, until so many bytes fit into the quota; false = there is nothing left to shorten.
    /// </summary>
    private bool TryMakeRoom(long bytes)
    {
        while (!Fits(bytes))
        {
            if (!_isFull)
            {
                _isFull = true;
                _log.SpoolFull(_folder, _quotaBytes);
            }

            if (FindUnshortened() is not { } number)
            {
                return false;
            }

            _shortenedUpTo = number;
            _shortened += Shorten(number);
        }

        return true;
    }

    private int Shorten(long number)
    {
        var (path, shorter) = (SegmentPath(number), SegmentPath(number) + Unfinished);
        try
        {
            var shortened = SpoolSegment.Shorten(path, shorter);
            lock (_gate)
            {
                if (shortened > 0 && _readUpTo < number)
                {
                    File.Move(shorter, path, overwrite: true);
                    _segments[number] = new FileInfo(path).Length;
                    return shortened;
                }
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // No room to make room, or it has been shipped meanwhile. It stays as it is.
        }

        File.Delete(shorter);
        return 0;
    }

    /// <summary>The oldest segment that is neither being read nor being written and was not shortened yet.</summary>
    private long? FindUnshortened()
    {
        lock (_gate)
        {
            var from = Math.Max(_shortenedUpTo, _readUpTo);
            return _segments.Keys.Where(number => number > from && number < _writing).Select(number => (long?)number).FirstOrDefault();
        }
    }

    private bool Fits(long bytes) => CountBytes() + bytes <= _quotaBytes;

    private long CountBytes()
    {
        lock (_gate)
        {
            return _segments.Values.Sum();
        }
    }

    private void SayHowFull()
    {
        var bytes = CountBytes();
        if (bytes > _quotaBytes && !_isAbove)
        {
            _isAbove = true;
            _log.SpoolAbove(_folder, bytes, _quotaBytes);
        }
        else if (_isFull && bytes < _quotaBytes / 2)
        {
            _log.SpoolEased(_folder, _shortened);
            (_isFull, _isAbove, _shortened) = (false, false, 0);
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

    private string SegmentPath(long number) => SegmentPath(_folder, number);

    private static string SegmentPath(string folder, long number) => Path.Combine(folder, $"{number:D12}.spool");

    private static string ShippedPath(string folder) => Path.Combine(folder, "shipped");

    private static Position ReadShipped(string folder)
    {
        var path = ShippedPath(folder);
        return File.Exists(path)
            && File.ReadAllText(path).Split(' ') is [var segment, var offset]
            && long.TryParse(segment, CultureInfo.InvariantCulture, out var number)
            && long.TryParse(offset, CultureInfo.InvariantCulture, out var bytes)
                ? new Position(number, bytes)
                : default;
    }

    private void WriteShipped()
    {
        var path = ShippedPath(_folder);
        File.WriteAllText(path + Unfinished, string.Create(CultureInfo.InvariantCulture, $"{_shipped.Segment} {_shipped.Offset}"));
        File.Move(path + Unfinished, path, overwrite: true);
    }

    /// <summary>Records in the order in which they were appended, and the place behind them.</summary>
    /// <param name="Own">How many of them this process appended.</param>
    /// <param name="IsFull">There may be more behind it.</param>
    public sealed record Batch(IReadOnlyList<RunRecord> Records, int Own, Position End, bool IsFull);

    /// <summary>A place between two entries.</summary>
    public readonly record struct Position(long Segment, long Offset);
}
