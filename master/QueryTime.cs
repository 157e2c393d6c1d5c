using System.Globalization;

namespace Dts.Master;

/// <summary>A time in a query or an argument: RFC 3339, with a date. Without a zone it is UTC; without a time it is midnight.</summary>
internal static class QueryTime
{
    public const string Expected = "a time such as 2026-11-22T10:00:00Z, or a date such as 2026-11-22";

    private static readonly string[] Forms =
        ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd"];

    /// <summary>Null = the text is not a time.</summary>
    public static DateTimeOffset? Parse(string text) =>
        DateTimeOffset.TryParseExact(text, Forms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment)
            ? moment.ToUniversalTime()
            : null;
}
