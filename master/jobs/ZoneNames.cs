using Dts.Common.Cron;

namespace Dts.Master.Jobs;

/// <summary>Suggests time zones when an id is mistyped.</summary>
internal static class ZoneNames
{
    /// <summary>Every id in the database.</summary>
    public static IEnumerable<string> List() => Directory.Exists(ZoneFiles.Folder)
        ? Directory.EnumerateFiles(ZoneFiles.Folder, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(ZoneFiles.Folder, path))
            .Where(id => ZoneFiles.IsWellFormed(id) && !id.Contains('.', StringComparison.Ordinal))
        : [];

    /// <summary>Explains why an id is refused, with the ids that were probably meant.</summary>
    /// <param name="refusal">The reason of the reader of zones.</param>
    public static string Explain(string id, string refusal)
    {
        var wanted = Simplify(id);
        var candidates = List()
            .Select(known => (Id: known, Distance: Distance(wanted, Simplify(known))))
            .Where(candidate => candidate.Distance <= Math.Min(3, wanted.Length / 3))
            .OrderBy(candidate => candidate.Distance).ThenBy(candidate => candidate.Id, StringComparer.Ordinal)
            .ToList();
        var near = candidates.Where(candidate => candidate.Distance == candidates[0].Distance).Take(3).Select(candidate => candidate.Id);
        return candidates.Count > 0
            ? $"unknown time zone {CronText.Quote(id)}; did you mean {string.Join(" or ", near)}?"
            : refusal;
    }

    private static string Simplify(string id) => string.Concat(id.Split('/')[^1].Where(char.IsAsciiLetterOrDigit)).ToUpperInvariant();

    /// <summary>
    /// Levenshtein's distance, if the first letters are equal: a typing error rarely hits the first one.
    /// </summary>
    internal static int Distance(string a, string b)
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
