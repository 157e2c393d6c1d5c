using System.Globalization;
using System.Text;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>
/// A job's name: 1 to 200 bytes of UTF-8, any letters, no '/' (it becomes part of an etcd key) and no character that is hidden.
/// </summary>
/// <remarks>
/// A save also checks <see cref="FindConfusing"/>. Older versions did not, so jobs with such names may exist, and can still be killed
/// and deleted.
/// </remarks>
public readonly record struct JobName
{
    public const int MaxBytes = 200;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private JobName(string value) => Value = value;

    public string Value { get; }

    /// <summary>The same name in Unicode's composed form (NFC), so that one spelling is one job.</summary>
    /// <exception cref="FormatException">The composed name is too long.</exception>
    public JobName Composed => Parse(Nfc.Of(Value));

    /// <exception cref="FormatException">The text is no job name; the message says why.</exception>
    public static JobName Parse(string text) => TryParse(text, out var name, out var error) ? name : throw new FormatException(error);

    public static bool TryParse(string text, out JobName name, out string error)
    {
        name = new JobName(text);
        error = Check(text);
        return error.Length == 0;
    }

    public override string ToString() => Value;

    public static implicit operator string(JobName name) => name.Value;

    /// <summary>Says why a name is refused that looks like another name or like nothing; null = the name is fine.</summary>
    public static string? FindConfusing(string text) =>
        text is "." or ".." ? $"name is \"{text}\", which a URL takes for a folder; expected another name"
        : text.Length > 0 && (char.IsWhiteSpace(text[0]) || char.IsWhiteSpace(text[^1]))
            ? $"name \"{Display.Line(text)}\" begins or ends with a blank; expected none there"
        : FindInvisible(text) is { } code
            ? $"name \"{Display.Line(text)}\" has the invisible character U+{code.ToString("X4", CultureInfo.InvariantCulture)}; "
                + "expected visible letters"
        : null;

    private static int? FindInvisible(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsInvisible(rune))
            {
                return rune.Value;
            }
        }

        return null;
    }

    /// <summary>Every space but U+0020, and every character that a renderer may leave out (Default_Ignorable_Code_Point).</summary>
    private static bool IsInvisible(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.SpaceSeparator => rune.Value != ' ',
        UnicodeCategory.Format or UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => true,
        _ => rune.Value is 0x034F or 0x115F or 0x1160 or 0x17B4 or 0x17B5 or (>= 0x180B and <= 0x180F) or 0x2065 or 0x2800 or 0x3164
            or (>= 0xFE00 and <= 0xFE0F) or 0xFFA0 or (>= 0xFFF0 and <= 0xFFF8) or (>= 0xE0000 and <= 0xE0FFF),
    };

    private static string Check(string text)
    {
        if (text.Length == 0)
        {
            return "name is empty; expected 1 to 200 bytes of UTF-8";
        }

        if (text.Contains('/'))
        {
            return $"name \"{Display.Line(text)}\" has a '/'; expected any letters without '/'";
        }

        if (text.EnumerateRunes().Any(Display.IsHidden))
        {
            return $"name \"{Display.Line(text)}\" has a hidden character; expected printable text";
        }

        try
        {
            return Strict.GetByteCount(text) is var bytes and > MaxBytes
                ? $"name has {bytes} bytes of UTF-8; expected at most {MaxBytes}"
                : "";
        }
        catch (EncoderFallbackException)
        {
            return $"name \"{Display.Line(text)}\" is not valid Unicode; expected 1 to 200 bytes of UTF-8";
        }
    }
}
