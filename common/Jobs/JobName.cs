using System.Text;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>
/// A job's name: 1 to 200 bytes of UTF-8, without '/' (it becomes part of an etcd key) and without hidden characters.
/// </summary>
/// <remarks>
/// A save also refuses names that look like others. Older versions did not, so jobs with such names may exist; they can be killed and
/// deleted.
/// </remarks>
public readonly record struct JobName
{
    public const int MaxBytes = 200;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private JobName(string value) => Value = value;

    public string Value { get; }

    /// <exception cref="FormatException">The text is not a job name; the message says why.</exception>
    public static JobName Parse(string text) => TryParse(text, out var name, out var error) ? name : throw new FormatException(error);

    public static bool TryParse(string text, out JobName name, out string error)
    {
        name = new JobName(text);
        error = Check(text);
        return error.Length == 0;
    }

    public override string ToString() => Value;

    public static implicit operator string(JobName name) => name.Value;

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

        var isPlain = !text.AsSpan().ContainsAnyExceptInRange(' ', '~'); // As most names are, and that is quickly seen.
        if (!isPlain && text.EnumerateRunes().Any(Display.IsHidden))
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
