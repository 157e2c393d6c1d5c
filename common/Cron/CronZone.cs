using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Dts.Common.Cron;

/// <summary>A time zone: consecutive segments of constant offset, from before 1970 until after 2099.</summary>
/// <remarks>
/// Read once from the system's time zone database and kept for the life of the process; a new tzdata takes effect after a restart.
/// Immutable, so thread-safe.
/// </remarks>
public sealed class CronZone
{
    private const long FarPast = long.MinValue / 4; // Far enough, and an offset can be added without overflow.
    private const long FarFuture = long.MaxValue / 4;
    private const int BucketShift = 21; // 24 days, so few buckets contain a clock change.

    private static readonly ConcurrentDictionary<string, CronZone> Known = new(StringComparer.Ordinal);

    private readonly Segment[] _segments;
    private readonly short[] _buckets;

    internal CronZone(string id, int firstOffset, IEnumerable<(long Start, int Offset)> changes)
    {
        Id = id;
        List<Segment> segments = [new(FarPast, FarFuture, firstOffset, FarPast, FarFuture)];
        foreach (var (start, offset) in changes)
        {
            var before = segments[^1];
            if (offset != before.Offset)
            {
                var wall = Math.Max(before.WallStart, start + before.Offset);
                segments[^1] = before with { End = start, WallEnd = wall };
                segments.Add(new Segment(start, FarFuture, offset, wall, FarFuture));
            }
        }

        _segments = [.. segments];
        _buckets = new short[((long)Calendar.EndDay * Calendar.SecondsPerDay >> BucketShift) + 1];
        for (var i = 0; i < _buckets.Length; i++)
        {
            _buckets[i] = (short)(segments.FindIndex(segment => segment.End > (long)i << BucketShift));
        }
    }

    public static CronZone Utc { get; } = new("UTC", 0, []);

    public string Id { get; }

    internal int SegmentCount => _segments.Length;

    /// <exception cref="CronFormatException">There is no such zone; the message says so in one line.</exception>
    public static CronZone Get(string ianaId) => TryGet(ianaId, out var zone, out var error) ? zone : throw new CronFormatException(error);

    public static bool TryGet(string id, [NotNullWhen(true)] out CronZone? zone, [NotNullWhen(false)] out string? error)
    {
        error = null;
        if (id == Utc.Id)
        {
            zone = Utc;
            return true;
        }

        if (Known.TryGetValue(id, out zone))
        {
            return true;
        }

        if (ZoneFiles.Find(id) is { } found)
        {
            zone = Known.GetOrAdd(id, found);
            return true;
        }

        error = ZoneFiles.ExplainMissing(id);
        return false;
    }

    public override string ToString() => Id;

    internal ref readonly Segment this[int index] => ref _segments[index];

    /// <summary>The offset from UTC at an instant, rounded to minutes as <see cref="DateTimeOffset"/> requires.</summary>
    internal TimeSpan UtcOffsetAt(long instant) => TimeSpan.FromMinutes(Math.Round(_segments[SegmentAt(instant)].Offset / 60.0));

    internal int SegmentAt(long instant)
    {
        var index = instant < 0 ? 0 : (int)_buckets[Math.Min(instant >> BucketShift, _buckets.Length - 1)];
        while (_segments[index].End <= instant)
        {
            index++;
        }

        return index;
    }

    /// <summary>
    /// The first segment that ends, by its own wall clock, after <paramref name="wall"/>. A time in a gap belongs to the segment after it.
    /// </summary>
    internal int SegmentShowing(long wall)
    {
        var index = SegmentAt(wall - Calendar.SecondsPerDay - 1); // No offset, and no change of one, is more than a day.
        while (_segments[index].WallEnd <= wall)
        {
            index++;
        }

        return index;
    }

    /// <summary>A span of constant offset; all members are in seconds.</summary>
    /// <param name="Start">Its first instant.</param>
    /// <param name="End">The first instant after it.</param>
    /// <param name="Offset">How far its wall clock is ahead of UTC.</param>
    /// <param name="WallStart">The first wall time that earlier segments have neither shown nor skipped.</param>
    /// <param name="WallEnd">The first wall time of the next segment.</param>
    internal readonly record struct Segment(long Start, long End, int Offset, long WallStart, long WallEnd);
}
