using System.Security.Cryptography;

namespace Dts.Master.Access;

/// <summary>A password as it is kept: PBKDF2 with HMAC-SHA-256 (RFC 8018).</summary>
/// <param name="Id">Names this password among those that the person has had; sessions are bound to it.</param>
/// <param name="Iterations">Kept beside the hash, so that new passwords can have more.</param>
internal sealed record PasswordHash(string Id, int Iterations, byte[] Salt, byte[] Hash)
{
    public const int LengthMin = 12;

    // A longer one takes no longer: PBKDF2 hashes it once. The limit keeps bodies small.
    public const int LengthMax = 1000;

    // OWASP's Password Storage Cheat Sheet for PBKDF2-HMAC-SHA256.
    private const int IterationsOfNew = 600_000;
    private const int Bytes = 32;

    // Checked where there is no such person, so that the time of an answer does not tell.
    private static readonly PasswordHash OfNobody =
        new("", IterationsOfNew, RandomNumberGenerator.GetBytes(Bytes), RandomNumberGenerator.GetBytes(Bytes));

    /// <exception cref="FormatException">The password is too short or too long.</exception>
    public static PasswordHash Of(string password)
    {
        if (password.Length is < LengthMin or > LengthMax)
        {
            throw new FormatException($"password has {password.Length} characters; expected {LengthMin} to {LengthMax}");
        }

        var salt = RandomNumberGenerator.GetBytes(Bytes);
        return new PasswordHash(
            Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)),
            IterationsOfNew,
            salt,
            Rfc2898DeriveBytes.Pbkdf2(password, salt, IterationsOfNew, HashAlgorithmName.SHA256, Bytes));
    }

    /// <summary>Takes as long for a person who is not known, or has no password.</summary>
    public static bool IsRight(PasswordHash? known, string password) => (known ?? OfNobody).Is(password) && known is not null;

    private bool Is(string password) =>
        CryptographicOperations.FixedTimeEquals(
            Rfc2898DeriveBytes.Pbkdf2(password, Salt, Iterations, HashAlgorithmName.SHA256, Hash.Length), Hash);
}
