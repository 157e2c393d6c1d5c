using System.Globalization;
using System.Text;

namespace Dts.Common.Hosting;

/// <summary>How foreign text is shown in a message of one line.</summary>
public static class Display
{
    private const int Longest = 60;

    /// <summary>
    /// Characters that are not to be seen but change how what is around them looks: controls, ends of lines, and those that turn the
    /// direction of writing.
    /// </summary>
    public static bool IsHidden(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        || rune.Value is (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069);

    /// <summary>The text on one line without <see cref="IsHidden">hidden</see> characters, cut when it is long.</summary>
    public static string Line(string text)
    {
        var line = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (line.Length >= Longest)
            {
                return line.Append('…').ToString();
            }

            line.Append(IsHidden(rune) ? new Rune('?') : rune);
        }

        return line.ToString();
    }

    /// <summary>
    /// The whole text on one line: controls as their symbols (␀ to ␡), other <see cref="IsHidden">hidden</see> characters as '?'.
    /// </summary>
    public static string Visible(string text)
    {
        const int Symbols = 0x2400; // The block of symbols for control characters.
        var line = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            line.Append(rune.Value switch
            {
                < 0x20 => new Rune(Symbols + rune.Value),
                0x7F => new Rune(Symbols + 0x21),
                _ => IsHidden(rune) ? new Rune('?') : rune,
            });
        }

        return line.ToString();
    }
}
