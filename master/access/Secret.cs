using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Dts.Master.Access;

/// <summary>Makes tokens and session cookies: random values, of which only a digest is stored.</summary>
internal static class Secret
{
    /// <summary>The start of every token, by which secret scanners find one that has leaked.</summary>
    public const string TokenPrefix = "dts_";

    private const int Bytes = 32;

    public static string NewToken() => TokenPrefix + NewValue();

    public static string NewValue() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(Bytes));

    /// <summary>The digest to store. It needs no salt and no iterations, because 256 random bits cannot be guessed.</summary>
    public static string Digest(string value) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(value)));
}
