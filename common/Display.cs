using System.Text;

namespace Dts.Common;

/// <summary>How foreign text is shown in a message of one line.</summary>
public static class Display
{
    private const int Longest = 60;

    /// <summary>The text on one line without control characters, cut when it is long.</summary>
    public static string Line(string text)
    {
        var line = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (line.Length >= Longest)
            {
                return line.Append('…').ToString();
            }

            line.Append(Rune.IsControl(rune) ? new Rune('?') : rune);
        }

        return line.ToString();
    }
}
