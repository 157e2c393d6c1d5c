using System.Security.Cryptography;
using System.Text;
using MongoDB.Bson;

namespace Dts.Tests.Support;

/// <summary>The server's side of SCRAM-SHA-256 (RFC 7677) for one connection. There is one user.</summary>
internal sealed class ScramLogin
{
    public const string User = "dts";
    public const string Password = "secret";
    public const string Database = "cron"; // The database that has the user.
    public const string CutOff = "cut-off"; // The connection breaks while this user logs in.

    private const int Iterations = 4096;

    private readonly byte[] _salt = RandomNumberGenerator.GetBytes(16);
    private string _clientFirst = "";
    private string _serverFirst = "";
    private bool _isKnown;

    /// <summary>Answers saslStart or saslContinue; null = the user is unknown, or the password is wrong.</summary>
    public BsonDocument? Answer(BsonDocument command)
    {
        var said = Encoding.UTF8.GetString(command["payload"].AsByteArray);
        return command.GetElement(0).Name == "saslStart" ? Start(command, said) : Continue(said);
    }

    private BsonDocument? Start(BsonDocument command, string said)
    {
        _clientFirst = said["n,,".Length..];
        if (_clientFirst.StartsWith($"n={CutOff},", StringComparison.Ordinal))
        {
            throw new IOException("this one is cut off");
        }

        _isKnown = command["$db"] == Database && _clientFirst.StartsWith($"n={User},", StringComparison.Ordinal);
        var nonce = _clientFirst[(_clientFirst.IndexOf("r=", StringComparison.Ordinal) + 2)..];
        nonce += Convert.ToHexString(RandomNumberGenerator.GetBytes(12));
        _serverFirst = $"r={nonce},s={Convert.ToBase64String(_salt)},i={Iterations}";
        return command["mechanism"] == "SCRAM-SHA-256" ? Reply(_serverFirst, isDone: false) : null;
    }

    private BsonDocument? Continue(string said)
    {
        var proofAt = said.LastIndexOf(",p=", StringComparison.Ordinal);
        var salted = Rfc2898DeriveBytes.Pbkdf2(Password, _salt, Iterations, HashAlgorithmName.SHA256, 32);
        var clientKey = Hmac(salted, "Client Key");
        var exchange = $"{_clientFirst},{_serverFirst},{said[..proofAt]}";
        var signature = Hmac(SHA256.HashData(clientKey), exchange);
        var expected = clientKey.Zip(signature, (key, mask) => (byte)(key ^ mask)).ToArray();
        return _isKnown && expected.AsSpan().SequenceEqual(Convert.FromBase64String(said[(proofAt + 3)..]))
            ? Reply($"v={Convert.ToBase64String(Hmac(Hmac(salted, "Server Key"), exchange))}", isDone: true)
            : null;
    }

    private static BsonDocument Reply(string text, bool isDone) =>
        new() { { "conversationId", 1 }, { "done", isDone }, { "payload", Encoding.UTF8.GetBytes(text) }, { "ok", 1 } };

    private static byte[] Hmac(byte[] key, string text) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text));
}
