using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Dts.Master.Access;

/// <summary>Random values that are shown once and kept as a digest: tokens, and the cookies of sessions.</summary>
internal static class Secret
{
    /// <summary>Begins each token, so that scanners of repositories can find one that has leaked.</summary>
    public const string TokenPrefix = "dts_";

    private const int Bytes = 32;

    public static string NewToken() => TokenPrefix + NewValue();

    public static string NewValue() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(Bytes));

    /// <summary>What is kept of it. A plain digest is enough for 256 random bits: they cannot be guessed.</summary>
    public static string Digest(string value) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(value)));
}
