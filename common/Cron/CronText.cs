using System.Globalization;

namespace Dts.Common.Cron;

/// <summary>The canonical form of a schedule's text, and pieces of text for messages and descriptions.</summary>
internal static class CronText
{
    /// <summary>One space between fields, none around; as written for messages, and in upper case.</summary>
    public static int Canonicalize(string text, Span<char> written, Span<char> upper)
    {
        var length = 0;
        foreach (var c in text)
        {
            if (c is not (' ' or '\t' or '\r' or '\n'))
            {
                written[length] = c;
                upper[length++] = c is >= 'a' and <= 'z' ? (char)(c - 32) : c;
            }
            else if (length > 0 && upper[length - 1] != ' ')
            {
                written[length] = upper[length++] = ' ';
            }
        }

        return length > 0 && upper[length - 1] == ' ' ? length - 1 : length;
    }

    /// <summary>A character as a message can show it on one line.</summary>
    public static string Show(char c) => c is > ' ' and < '\u007f' ? $"'{c}'" : $"U+{(int)c:X4}";

    /// <summary>The text, cut to a length that fits a message, with everything unprintable replaced.</summary>
    public static string Quote(ReadOnlySpan<char> text)
    {
        var isLong = text.Length > 40;
        return string.Concat("\"", string.Create(Math.Min(text.Length, 40), text, static (shown, all) =>
        {
            for (var i = 0; i < shown.Length; i++)
            {
                shown[i] = char.IsControl(all[i]) || char.IsSurrogate(all[i]) ? '?' : all[i];
            }
        }), isLong ? "…\"" : "\"");
    }

    /// <summary>1d2h3m4s, without the parts that are zero.</summary>
    public static string Duration(long seconds)
    {
        Span<(long Size, char Unit)> units = [(86400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];
        var text = "";
        foreach (var (size, unit) in units)
        {
            if (seconds >= size)
            {
                text += (seconds / size).ToString(CultureInfo.InvariantCulture) + unit;
                seconds %= size;
            }
        }

        return text;
    }

    /// <summary>The time of day of a wall time, without seconds where there are none.</summary>
    public static string Time(long wall)
    {
        var time = TimeOnly.FromTimeSpan(TimeSpan.FromSeconds(wall % Calendar.SecondsPerDay));
        return time.ToString(time.Second == 0 ? "HH:mm" : "HH:mm:ss", CultureInfo.InvariantCulture);
    }

    public static string Date(long wall) => DateTimeOffset.FromUnixTimeSeconds(wall).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    public static string Instant(long seconds) => $"{Date(seconds)}T{DateTimeOffset.FromUnixTimeSeconds(seconds):HH:mm:ss}Z";
}
