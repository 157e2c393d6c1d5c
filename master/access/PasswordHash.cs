using System.Security.Cryptography;

namespace Dts.Master.Access;

/// <summary>A stored password: PBKDF2 with HMAC-SHA-256 (RFC 8018).</summary>
/// <param name="Id">Changes with the password; sessions are bound to it.</param>
/// <param name="Iterations">Stored with the hash, so that later passwords can have more.</param>
internal sealed record PasswordHash(string Id, int Iterations, byte[] Salt, byte[] Hash)
{
    public const int LengthMin = 12;

    // Limits the size of requests. The time of a check does not depend on the length.
    public const int LengthMax = 1000;

    // OWASP's Password Storage Cheat Sheet for PBKDF2-HMAC-SHA256.
    private const int IterationsOfNew = 600_000;
    private const int Bytes = 32;

    // Checked if there is no such person, so that the time of an answer does not reveal it.
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

    /// <summary>Takes as long if the person is unknown or has no password.</summary>
    public static bool IsRight(PasswordHash? known, string password) => (known ?? OfNobody).Is(password) && known is not null;

    private bool Is(string password) =>
        CryptographicOperations.FixedTimeEquals(
            Rfc2898DeriveBytes.Pbkdf2(password, Salt, Iterations, HashAlgorithmName.SHA256, Hash.Length), Hash);
}
