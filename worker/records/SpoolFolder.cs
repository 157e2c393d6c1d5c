using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Records;

/// <summary>The segment files of a spool, and how far they have been shipped.</summary>
/// <remarks>
/// Thread-safe. A segment belongs to the reader from its first look into it: from then on no place that it has noted moves. How far it has
/// shipped is noted in the file <c>shipped</c>, without haste.
/// </remarks>
internal sealed class SpoolFolder
{
    private const string Unfinished = ".new"; // Ends the name of a file that will replace another.

    private readonly Lock _gate = new();
    private readonly SortedDictionary<long, long> _segments = []; // number -> bytes that are surely on disk
    private readonly SortedDictionary<long, long> _passedOver = []; // number -> offset of the first entry that was not read
    private SpoolPosition _shipped;
    private long _readUpTo; // The reader has been in this segment and those before it.

    public SpoolFolder(string path)
    {
        Path = path;
        Directory.CreateDirectory(path);
        foreach (var unfinished in Directory.EnumerateFiles(path, "*" + Unfinished))
        {
            File.Delete(unfinished); // The file that it was to replace is still there.
        }

        foreach (var (number, segment) in ListSegments(path))
        {
            _segments[number] = new FileInfo(segment).Length;
        }

        var shipped = ReadShipped(path);
        _shipped = _segments.Keys.FirstOrDefault(shipped.Segment) < shipped.Segment ? default : shipped;
        _readUpTo = _shipped.Segment;
        FirstOwn = Math.Max(_segments.Keys.LastOrDefault(), shipped.Segment) + 1;
    }

    public string Path { get; }

    /// <summary>The number of this process's first segment; an earlier process left those before it.</summary>
    public long FirstOwn { get; }

    /// <summary>The place behind the last record that has been shipped.</summary>
    public SpoolPosition Shipped
    {
        get
        {
            lock (_gate)
            {
                return _shipped;
            }
        }

        set
        {
            lock (_gate)
            {
                _shipped = value;
            }
        }
    }

    /// <summary>Counts the records in a folder that are not shipped yet, as far as its files tell; its owner may be at work.</summary>
    public static long CountWaiting(string folder)
    {
        var shipped = ReadShipped(folder);
        return ListSegments(folder).Sum(
            segment => SpoolSegment.CountEntries(segment.Path, segment.Number == shipped.Segment ? shipped.Offset : 0));
    }

    public string PathOf(long number) => System.IO.Path.Combine(Path, $"{number:D12}.spool");

    public SafeFileHandle OpenSegment(long number)
    {
        var file = File.OpenHandle(PathOf(number), FileMode.Create, FileAccess.Write, FileShare.Read);
        SetLength(number, 0);
        return file;
    }

    /// <summary>Notes how many bytes of a segment are surely on disk.</summary>
    public void SetLength(long number, long bytes)
    {
        lock (_gate)
        {
            _segments[number] = bytes;
        }
    }

    public long CountBytes()
    {
        lock (_gate)
        {
            return _segments.Values.Sum();
        }
    }

    /// <summary>The next entry's place and its segment's length; the segment now belongs to the reader. Null = all is read.</summary>
    public (SpoolPosition At, long Length)? FindNext(SpoolPosition from)
    {
        lock (_gate)
        {
            foreach (var (number, length) in _segments)
            {
                var offset = number == from.Segment ? from.Offset : 0;
                if (number >= from.Segment && offset < length)
                {
                    _readUpTo = Math.Max(_readUpTo, number);
                    return (new SpoolPosition(number, offset), length);
                }
            }
        }

        return null;
    }

    /// <summary>Leaves an unreadable segment on disk for the next start, which reads on from this place.</summary>
    public void PassOver(SpoolPosition at)
    {
        lock (_gate)
        {
            _passedOver[at.Segment] = Math.Min(at.Offset, _passedOver.GetValueOrDefault(at.Segment, long.MaxValue));
        }
    }

    /// <summary>Deletes the segments that have been shipped whole.</summary>
    public void DeleteShipped()
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

            done = [.. done.Except(_passedOver.Keys)];
        }

        foreach (var number in done)
        {
            File.Delete(PathOf(number));
        }
    }

    /// <summary>The oldest segment after one and before another that the reader has not looked into.</summary>
    public long? FindUnread(long after, long before)
    {
        lock (_gate)
        {
            var from = Math.Max(after, _readUpTo);
            return _segments.Keys.Where(number => number > from && number < before).Select(number => (long?)number).FirstOrDefault();
        }
    }

    /// <summary>
    /// Replaces a segment with one whose outputs are shortened, and returns the number of records that were; 0 = it stays as it was.
    /// </summary>
    public int Shorten(long number)
    {
        var (path, shorter) = (PathOf(number), PathOf(number) + Unfinished);
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
            // The disk has no room for the shorter file, or the segment has been shipped meanwhile.
        }

        File.Delete(shorter);
        return 0;
    }

    public void WriteShipped()
    {
        var (path, shipped) = (ShippedPath(Path), FindNextStart());
        File.WriteAllText(path + Unfinished, string.Create(CultureInfo.InvariantCulture, $"{shipped.Segment} {shipped.Offset}"));
        File.Move(path + Unfinished, path, overwrite: true);
    }

    /// <summary>Where the next process begins to read: at the oldest segment that was passed over, unless it has been removed.</summary>
    private SpoolPosition FindNextStart()
    {
        lock (_gate)
        {
            foreach (var (number, offset) in _passedOver.Where(segment => System.IO.Path.Exists(PathOf(segment.Key))))
            {
                return new SpoolPosition(number, offset);
            }

            return _shipped;
        }
    }

    private static IEnumerable<(long Number, string Path)> ListSegments(string folder)
    {
        foreach (var path in Directory.EnumerateFiles(folder, "*.spool"))
        {
            if (long.TryParse(System.IO.Path.GetFileNameWithoutExtension(path), CultureInfo.InvariantCulture, out var number))
            {
                yield return (number, path);
            }
        }
    }

    private static string ShippedPath(string folder) => System.IO.Path.Combine(folder, "shipped");

    private static SpoolPosition ReadShipped(string folder)
    {
        var path = ShippedPath(folder);
        return File.Exists(path)
            && File.ReadAllText(path).Split(' ') is [var segment, var offset]
            && long.TryParse(segment, CultureInfo.InvariantCulture, out var number)
            && long.TryParse(offset, CultureInfo.InvariantCulture, out var bytes)
                ? new SpoolPosition(number, bytes)
                : default;
    }
}

/// <summary>A place between two entries of a spool.</summary>
internal readonly record struct SpoolPosition(long Segment, long Offset);
