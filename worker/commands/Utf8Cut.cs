using System.Text;
using System.Text.Unicode;

namespace Dts.Worker.Commands;

/// <summary>Cuts bytes where a character of UTF-8 begins, so that as text they take no more bytes than a budget.</summary>
/// <remarks>
/// Pure. A byte that is not UTF-8 counts as the replacement character that stands for it in the text: three bytes. Where whole
/// characters are found to fit, which is nearly always, the bytes are not looked at one by one.
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
