using System.Buffers.Binary;
using System.Text;

namespace Dts.Common.Cron;

/// <summary>Reads the compiled time zone database (RFC 9636, man 5 tzfile) that every Linux has.</summary>
/// <remarks>Not TimeZoneInfo: that rounds, and offers no list of changes, which would have to be found by probing (10 ms a zone).</remarks>
internal static class ZoneFiles
{
    private const int HeaderLength = 44;

    private static readonly string Folder = Environment.GetEnvironmentVariable("TZDIR") ?? "/usr/share/zoneinfo";

    /// <summary>The zone of this id, or null when there is none.</summary>
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

    public static string ExplainMissing(string id)
    {
        if (!Directory.Exists(Folder))
        {
            return $"no time zone but UTC is known here: install the package tzdata ({Folder} is missing)";
        }

        var wanted = Simplify(id);
        var candidates = ListIds()
            .Select(known => (Id: known, Distance: Distance(wanted, Simplify(known))))
            .Where(candidate => candidate.Distance <= Math.Min(3, wanted.Length / 3))
            .OrderBy(candidate => candidate.Distance).ThenBy(candidate => candidate.Id, StringComparer.Ordinal)
            .ToList();
        var near = candidates.Where(candidate => candidate.Distance == candidates[0].Distance).Take(3).Select(candidate => candidate.Id);
        return $"unknown time zone {CronText.Quote(id)}; "
            + (candidates.Count > 0 ? $"did you mean {string.Join(" or ", near)}?" : "write an IANA id such as Europe/Berlin or UTC");
    }

    /// <summary>Every id in the database.</summary>
    public static IEnumerable<string> ListIds() => Directory
        .EnumerateFiles(Folder, "*", SearchOption.AllDirectories)
        .Select(path => Path.GetRelativePath(Folder, path))
        .Where(id => IsWellFormed(id) && !id.Contains('.', StringComparison.Ordinal));

    /// <summary>An id is a relative path of plain names, in upper case first; right/ counts leap seconds and posix/ is a copy.</summary>
    private static bool IsWellFormed(string id) =>
        id.Length is > 0 and <= 64
        && char.IsAsciiLetterUpper(id[0])
        && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '-' or '+');

    private static CronZone Read(string id, ReadOnlySpan<byte> file)
    {
        // The first block is for readers of the 1980s, with 4 bytes a time; the second has 8.
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

    private static string Simplify(string id) => string.Concat(id.Split('/')[^1].Where(char.IsAsciiLetterOrDigit)).ToUpperInvariant();

    /// <summary>
    /// Levenshtein's distance, after case, punctuation and the continent have been set aside; a typing error spares the first letter.
    /// </summary>
    private static int Distance(string a, string b)
    {
        if (a.Length == 0 || a[0] != b[0] || Math.Abs(a.Length - b.Length) > 3)
        {
            return int.MaxValue;
        }

        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(cost, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
