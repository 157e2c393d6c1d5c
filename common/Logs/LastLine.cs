using System.Text;
using Dts.Common.Hosting;

namespace Dts.Common.Logs;

/// <summary>The last line of an output that is not blank, as lists show it.</summary>
public static class LastLine
{
    /// <summary>In characters; a longer line is cut and ends with an ellipsis.</summary>
    public const int Longest = 200;

    /// <summary>How much of the output's end is searched, in characters.</summary>
    public const int SoughtIn = 4096;

    /// <summary>Empty = there is no such line. Hidden characters are shown as symbols.</summary>
    /// <remarks>A carriage return also ends a line, so of a progress bar the last state counts.</remarks>
    public static string Of(ReadOnlySpan<char> output)
    {
        var rest = output[^Math.Min(output.Length, SoughtIn)..];
        while (!rest.IsEmpty)
        {
            var start = rest.LastIndexOfAny('\n', '\r') + 1;
            if (rest[start..].Trim() is { IsEmpty: false } line)
            {
                return Show(line);
            }

            rest = rest[..Math.Max(0, start - 1)];
        }

        return "";
    }

    private static string Show(ReadOnlySpan<char> line)
    {
        var shown = new StringBuilder();
        var most = line.Length > Longest ? Longest - 1 : Longest;
        foreach (var rune in line.EnumerateRunes())
        {
            if (shown.Length + rune.Utf16SequenceLength > most)
            {
                return shown.Append('…').ToString();
            }

            shown.Append(Display.Symbol(rune, Rune.ReplacementChar));
        }

        return shown.ToString();
    }
}
