using System.Text;
using Dts.Common.Hosting;

namespace Dts.Common.Logs;

/// <summary>The last line of an output that is not empty, as it is shown in lists.</summary>
public static class LastLine
{
    /// <summary>The longest line in characters; a longer one is cut and ends with an ellipsis.</summary>
    public const int Longest = 200;

    /// <summary>The end of the output in which the line is looked for, in characters.</summary>
    public const int SoughtIn = 4096;

    private const int Pictures = 0x2400; // The control pictures of Unicode: U+2400 stands for NUL.
    private const int Delete = 0x7F;
    private const int DeletePicture = 0x2421;

    /// <summary>Empty = there is no such line. Controls, and what turns the direction of writing, are shown as symbols.</summary>
    /// <remarks>A carriage return ends a line, too: the last state of a progress bar is what its reader saw.</remarks>
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

            shown.Append(SymbolOf(rune));
        }

        return shown.ToString();
    }

    private static Rune SymbolOf(Rune rune) => rune.Value switch
    {
        < ' ' => new Rune(Pictures + rune.Value),
        Delete => new Rune(DeletePicture),
        _ => Display.IsHidden(rune) ? Rune.ReplacementChar : rune,
    };
}
