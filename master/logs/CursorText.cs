using System.Buffers.Text;
using System.Text;

namespace Dts.Master.Logs;

/// <summary>Encodes places in lists as opaque texts, which callers send back for the next page.</summary>
internal static class CursorText
{
    public static string Write(string place) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(place));

    /// <summary>The parts of a place, separated by blanks; the last part may have blanks itself. None = the text is not a place.</summary>
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
