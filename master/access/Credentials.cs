using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Dts.Master.Access;

/// <summary>Finds the caller of a request by its token, by the cookie of its session, or by a sign-in proxy's header.</summary>
/// <param name="cutOff">For how long etcd's changes of people and tokens have been missing.</param>
internal sealed class Credentials(MasterSettings settings, AccessTable table, Func<TimeSpan>? cutOff = null)
{
    public const string Cookie = "dts-session";

    /// <summary>Set by a sign-in proxy, which must remove one that a client sent.</summary>
    public const string ProxyHeader = "X-Forwarded-User";

    // Without etcd a master learns of no revocation. It can change nothing then, but it still reads the log.
    private static readonly TimeSpan KnownFor = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan ChecksAgainWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AppearsWithin = TimeSpan.FromMilliseconds(300);

    // A slow hash, because a person may have chosen the apiToken, and sessions store the hash.
    private readonly Lazy<string> _apiToken = new(() => Convert.ToHexStringLower(
        Rfc2898DeriveBytes.Pbkdf2(settings.ApiToken, "dts session of apiToken"u8, 600_000, HashAlgorithmName.SHA256, 32)));

    private readonly byte[] _token = Encoding.UTF8.GetBytes(settings.ApiToken);

    /// <summary>The master needs no credentials: there is no apiToken, no person, no token and no sign-in proxy.</summary>
    public bool IsOpen => _token.Length == 0 && settings.TrustedProxies.Count == 0 && table.IsListed && !table.HasRecords
        && IPAddress.IsLoopback(settings.Listen);

    /// <summary>People and tokens have not been read yet, or not for too long.</summary>
    public bool IsUnknown => !table.IsListed || (table.HasRecords && cutOff?.Invoke() > KnownFor);

    public string ApiTokenCredential => _apiToken.Value;

    /// <summary>Without a record of a person or token, everyone on this host may do everything.</summary>
    public bool NeedsRecords => _token.Length == 0 && settings.TrustedProxies.Count == 0;

    /// <summary>Waits a moment for a token or session that another master has just made.</summary>
    public async Task<Identification> FindAgainAsync(HttpContext http)
    {
        var found = Find(http);
        await table.WaitUntilAsync(
            () => (found = Find(http)) is not (Identification.WrongToken or Identification.SessionEnded),
            AppearsWithin,
            http.RequestAborted);
        return found;
    }

    /// <summary>Waits until the caller is not known any more, or has another role or filter; false = cancelled before.</summary>
    public async Task<bool> WaitUntilUnknownAsync(HttpContext http, CancellationToken cancel)
    {
        var was = Caller.Of(http);
        while (!cancel.IsCancellationRequested && IsStill())
        {
            await table.WaitUntilAsync(() => !IsStill(), ChecksAgainWithin, cancel); // The table does not report that a token has expired.
        }

        return !cancel.IsCancellationRequested;

        bool IsStill() =>
            Find(http) is Identification.Known { Caller: var now } && (now.Role, now.Scope.Text) == (was.Role, was.Scope.Text);
    }

    public Identification Find(HttpContext http)
    {
        var (request, address) = (http.Request, AddressOf(http));
        if (request.Headers.Authorization.Count > 0 && !IsOpen)
        {
            var given = TokenOf($"{request.Headers.Authorization}");
            return FindToken(given, address) is { } caller ? new Identification.Known(caller)
                : IsUnknown ? new Identification.Unavailable()
                : new Identification.WrongToken();
        }

        if (IsUnknown)
        {
            return _token.Length > 0 && !request.Cookies.ContainsKey(Cookie)
                ? new Identification.NoCredentials()
                : new Identification.Unavailable();
        }

        if (request.Cookies[Cookie] is { Length: > 0 } cookie && !IsOpen)
        {
            return table.FindBySession(cookie, address, () => ApiTokenCredential) is { } caller
                ? new Identification.Known(caller, IsSentByBrowser: true)
                : new Identification.SessionEnded();
        }

        var user = $"{request.Headers[ProxyHeader]}";
        return user.Length > 0 && IsTrustedProxy(http)
            ? table.FindPerson(user, address, CallerVia.Proxy) is { } person
                ? new Identification.Known(person, IsSentByBrowser: true)
                : new Identification.UnknownPerson(user)
            : IsOpen ? new Identification.Known(Caller.OfLoopback(address))
            : new Identification.NoCredentials();
    }

    /// <summary>The holder of a token; null = it is not valid.</summary>
    public Caller? FindToken(string token, IPAddress address) =>
        _token.Length > 0 && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(token), _token)
            ? Caller.OfApiToken(address)
            : !IsUnknown && token.Length > 0 ? table.FindByToken(token, address)
            : null;

    /// <summary>
    /// The client's address: the peer's; behind a trusted proxy, or one on this host, the last in X-Forwarded-For, which the proxy itself
    /// added.
    /// </summary>
    public IPAddress AddressOf(HttpContext http)
    {
        var peer = http.Connection.RemoteIpAddress ?? IPAddress.None;
        var seen = http.Request.Headers["X-Forwarded-For"].ToString().Split(',')[^1].Trim();
        return (IPAddress.IsLoopback(peer) || IsTrustedProxy(http)) && IPAddress.TryParse(seen, out var client) ? client : peer;
    }

    private bool IsTrustedProxy(HttpContext http) =>
        settings.TrustedProxies.Count > 0
        && http.Connection.RemoteIpAddress is { } peer
        && settings.TrustedProxies.Contains(peer.IsIPv4MappedToIPv6 ? peer.MapToIPv4() : peer);

    /// <summary>The token of a Bearer header, or the password of a Basic header.</summary>
    private static string TokenOf(string authorization) => authorization.Split(' ', 2) switch
    {
        [var scheme, var token] when scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase) => token,
        [var scheme, var encoded] when scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase) => DecodePassword(encoded),
        _ => "",
    };

    private static string DecodePassword(string encoded)
    {
        Span<byte> decoded = stackalloc byte[1024];
        return Convert.TryFromBase64String(encoded, decoded, out var length)
            && Encoding.UTF8.GetString(decoded[..length]).Split(':', 2) is [_, var password]
                ? password
                : "";
    }
}

/// <summary>The result of looking for a request's caller.</summary>
internal abstract record Identification
{
    private Identification()
    {
    }

    /// <param name="IsSentByBrowser">
    /// A browser sends these credentials with requests of any page, so a change must come from a page of ours.
    /// </param>
    public sealed record Known(Caller Caller, bool IsSentByBrowser = false) : Identification;

    public sealed record NoCredentials : Identification;

    /// <summary>The token is wrong, was revoked or has expired.</summary>
    public sealed record WrongToken : Identification;

    public sealed record SessionEnded : Identification;

    /// <summary>A sign-in proxy names somebody who has no record.</summary>
    public sealed record UnknownPerson(string Name) : Identification;

    /// <summary>People and tokens are unknown now: etcd has not been read, or not for too long.</summary>
    public sealed record Unavailable : Identification;
}
