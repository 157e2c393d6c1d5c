using System.Buffers.Text;
using System.Text;

namespace Dts.Master.Logs;

/// <summary>Places in lists as callers get them and give them back: text whose parts are not their concern.</summary>
internal static class CursorText
{
    public static string Write(string place) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(place));

    /// <summary>The parts of a place, between blanks; the last part may have blanks itself. None = the text is no place.</summary>
    public static string[] Read(string text, int parts)
    {
        try
        {
            return Encoding.UTF8.GetString(Base64Url.DecodeFromChars(text)).Split(' ', parts);
        }
        catch (FormatException)
        {
            return [];
        }
    }
}
