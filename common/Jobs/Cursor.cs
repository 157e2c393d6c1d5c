using System.Globalization;

namespace Dts.Common.Jobs;

/// <summary>The value of a key under fired/: the latest plan time that has been decided, and by which worker.</summary>
/// <remarks>
/// The plan time comes first and has a fixed width, so that etcd's byte order is time order. By the words after it, people and a worker
/// that lost the answer to its claim see who moved it.
/// </remarks>
public readonly record struct Cursor(DateTimeOffset PlanTime, string By, string Session, string What)
{
    public const string Claimed = "claimed";
    public const string Skipped = "skipped";
    public const string Missed = "missed";
    public const string Moved = "moved";

    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'";
    private const int TimeLength = 20;

    /// <summary>The text of a plan time in a cursor, with which claims compare.</summary>
    public static string Text(DateTimeOffset planTime) => planTime.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);

    /// <summary>A text above every cursor before this plan time and below every cursor from it on; null = below all cursors.</summary>
    public static string JustBefore(DateTimeOffset? planTime) => planTime is { } at ? Text(at.AddSeconds(-1)) + "~" : "";

    public static bool TryParse(string text, out Cursor cursor)
    {
        cursor = default;
        if (text.Length < TimeLength
            || !DateTimeOffset.TryParseExact(
                text[..TimeLength], TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var planTime))
        {
            return false;
        }

        var words = text[TimeLength..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        cursor = new Cursor(
            planTime, words.ElementAtOrDefault(0) ?? "", words.ElementAtOrDefault(1) ?? "", words.ElementAtOrDefault(2) ?? "");
        return true;
    }

    public override string ToString() => $"{Text(PlanTime)} {By} {Session} {What}";
}
