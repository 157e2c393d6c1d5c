using System.Globalization;
using System.Text;

namespace Dts.Common.Hosting;

/// <summary>Shows text from elsewhere within a message of one line.</summary>
public static class Display
{
    private const int Longest = 60;

    /// <summary>
    /// Invisible characters that change how the text around them looks: controls, line ends, and those that turn the direction of writing.
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

    /// <summary>The whole text on one line, with a <see cref="Symbol"/> for each hidden character.</summary>
    public static string Visible(string text)
    {
        var line = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            line.Append(Symbol(rune, new Rune('?')));
        }

        return line.ToString();
    }

    /// <summary>The character itself; a control's picture (␀ to ␡); for another hidden character the substitute.</summary>
    public static Rune Symbol(Rune rune, Rune substitute)
    {
        const int Pictures = 0x2400; // Unicode's block of control pictures.
        return rune.Value switch
        {
            < 0x20 => new Rune(Pictures + rune.Value),
            0x7F => new Rune(Pictures + 0x21),
            _ => IsHidden(rune) ? substitute : rune,
        };
    }
}
