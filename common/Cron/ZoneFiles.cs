using System.Buffers.Binary;
using System.Text;

namespace Dts.Common.Cron;

/// <summary>Reads the compiled time zone database (RFC 9636, man 5 tzfile) that every Linux has.</summary>
/// <remarks>TimeZoneInfo rounds, and lists no clock changes; finding them by probing would take 10 ms per zone.</remarks>
internal static class ZoneFiles
{
    private const int HeaderLength = 44;

    public static readonly string Folder = Environment.GetEnvironmentVariable("TZDIR") ?? "/usr/share/zoneinfo";

    /// <summary>Null = there is no zone of this id.</summary>
    public static CronZone? Find(string id)
    {
        var path = Path.Combine(Folder, id);
        if (!IsWellFormed(id) || !File.Exists(path))
        {
            return null;
        }

        var content = File.ReadAllBytes(path);
        return content.AsSpan().StartsWith("TZif"u8) && content[4] >= (byte)'2' ? Read(id, content) : null;
    }

    public static string ExplainMissing(string id) => Directory.Exists(Folder)
        ? $"unknown time zone {CronText.Quote(id)}; write an IANA id such as Europe/Berlin or UTC"
        : $"no time zone but UTC is known here: install the package tzdata ({Folder} is missing)";

    /// <summary>
    /// An id is a relative path of plain names that begins in upper case; right/ counts leap seconds and posix/ is a copy.
    /// </summary>
    public static bool IsWellFormed(string id) => id.Length is > 0 and <= 64
        && char.IsAsciiLetterUpper(id[0])
        && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '-' or '+');

    private static CronZone Read(string id, ReadOnlySpan<byte> file)
    {
        // The first block has times of 4 bytes, for old readers; the second has 8.
        var data = file[(HeaderLength + BlockLength(file, timeBytes: 4))..];
        var changeCount = BinaryPrimitives.ReadInt32BigEndian(data[32..]);
        var times = data[HeaderLength..];
        var typeOf = times[(changeCount * 8)..];
        var types = typeOf[changeCount..];
        var footer = data[(HeaderLength + BlockLength(data, timeBytes: 8))..];

        List<(long Start, int Offset)> changes = [];
        for (var i = 0; i < changeCount; i++)
        {
            changes.Add((BinaryPrimitives.ReadInt64BigEndian(times[(i * 8)..]), OffsetOf(types, typeOf[i])));
        }

        var rule = PosixRule.Parse(Encoding.ASCII.GetString(footer).Trim('\n'));
        var lastKnown = changeCount > 0 ? changes[^1].Start : long.MinValue;
        if (rule is not null)
        {
            changes.AddRange(rule.ListChanges().Where(change => change.Start > lastKnown).OrderBy(change => change.Start));
        }

        return new CronZone(id, OffsetOf(types, 0), changes);
    }

    private static int OffsetOf(ReadOnlySpan<byte> types, int type) => BinaryPrimitives.ReadInt32BigEndian(types[(type * 6)..]);

    private static int BlockLength(ReadOnlySpan<byte> header, int timeBytes)
    {
        var isUtCount = BinaryPrimitives.ReadInt32BigEndian(header[20..]);
        var isStandardCount = BinaryPrimitives.ReadInt32BigEndian(header[24..]);
        var leapCount = BinaryPrimitives.ReadInt32BigEndian(header[28..]);
        var changeCount = BinaryPrimitives.ReadInt32BigEndian(header[32..]);
        var typeCount = BinaryPrimitives.ReadInt32BigEndian(header[36..]);
        var characterCount = BinaryPrimitives.ReadInt32BigEndian(header[40..]);
        return (changeCount * (timeBytes + 1)) + (typeCount * 6) + characterCount
            + (leapCount * (timeBytes + 4)) + isStandardCount + isUtCount;
    }
}
