using System.Text;
using System.Text.Unicode;

namespace Dts.Worker.Commands;

/// <summary>Cuts bytes between characters of UTF-8, so that their text takes no more bytes than a budget.</summary>
/// <remarks>
/// Pure. A byte that is not UTF-8 counts three bytes, for the replacement character in the text. Valid bytes, the usual case, are not
/// decoded one by one.
/// </remarks>
internal static class Utf8Cut
{
    private const int CharacterSizeMax = 4;

    /// <summary>The first bytes of a source that is longer than the budget.</summary>
    public static ReadOnlySpan<byte> Front(ReadOnlySpan<byte> source, int budget)
    {
        for (var size = budget; size > budget - CharacterSizeMax && size >= 0; size--)
        {
            if (Utf8.IsValid(source[..size]))
            {
                return source[..size];
            }
        }

        var end = 0;
        while (Rune.DecodeFromUtf8(source[end..], out var rune, out var consumed) is var _ && rune.Utf8SequenceLength <= budget)
        {
            budget -= rune.Utf8SequenceLength;
            end += consumed;
        }

        return source[..end];
    }

    /// <summary>The last bytes of a source that is longer than the budget.</summary>
    public static ReadOnlySpan<byte> Back(ReadOnlySpan<byte> source, int budget)
    {
        for (var size = budget; size > budget - CharacterSizeMax && size >= 0; size--)
        {
            if (Utf8.IsValid(source[^size..]))
            {
                return source[^size..];
            }
        }

        var start = source.Length;
        while (Rune.DecodeLastFromUtf8(source[..start], out var rune, out var consumed) is var _ && rune.Utf8SequenceLength <= budget)
        {
            budget -= rune.Utf8SequenceLength;
            start -= consumed;
        }

        return source[start..];
    }
}
