using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Dts.Master.Access;

/// <summary>Finds out who makes a request, from what it shows: a token, the cookie of a session, or a sign-in proxy's header.</summary>
/// <param name="cutOff">For how long changes of people and tokens have not come.</param>
internal sealed class Credentials(MasterSettings settings, AccessTable table, Func<TimeSpan>? cutOff = null)
{
    public const string Cookie = "dts-session";

    /// <summary>Set by a sign-in proxy, which must not let through one that the client sent.</summary>
    public const string ProxyHeader = "X-Forwarded-User";

    // A master that is cut off learns of no revocation; it can change nothing, but reads the log.
    private static readonly TimeSpan KnownFor = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan LooksAgainWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AppearsWithin = TimeSpan.FromMilliseconds(300);

    // Keeps the apiToken, which a person may have chosen, from being guessed from what sessions store of it.
    private readonly Lazy<string> _apiToken = new(() => Convert.ToHexStringLower(
        Rfc2898DeriveBytes.Pbkdf2(settings.ApiToken, "dts session of apiToken"u8, 600_000, HashAlgorithmName.SHA256, 32)));

    private readonly byte[] _token = Encoding.UTF8.GetBytes(settings.ApiToken);

    /// <summary>Nothing is asked for: there are neither an apiToken, nor people, nor tokens, nor a sign-in proxy.</summary>
    public bool IsOpen => _token.Length == 0 && settings.TrustedProxies.Count == 0 && table.IsListed && !table.HasRecords
        && IPAddress.IsLoopback(settings.Listen);

    /// <summary>There is no apiToken, and people and tokens have not been read yet, or not for too long.</summary>
    public bool IsUnknown => !table.IsListed || (table.HasRecords && cutOff?.Invoke() > KnownFor);

    public string ApiTokenCredential => _apiToken.Value;

    /// <summary>Without records of people and tokens anyone on this host could do everything.</summary>
    public bool NeedsRecords => _token.Length == 0 && settings.TrustedProxies.Count == 0;

    /// <summary>Finds out once more, within a moment: what another master has just made may be on its way.</summary>
    public async Task<Shown> FindAgainAsync(HttpContext http)
    {
        var shown = Find(http);
        await table.WaitUntilAsync(() => (shown = Find(http)) is not (Shown.Wrong or Shown.Ended), AppearsWithin, http.RequestAborted);
        return shown;
    }

    /// <summary>Waits until a request shows nobody any more, or its caller has another role or filter; false = cancelled before.</summary>
    public async Task<bool> WaitUntilUnknownAsync(HttpContext http, CancellationToken cancel)
    {
        var was = Caller.Of(http);
        while (!cancel.IsCancellationRequested && IsStill())
        {
            await table.WaitUntilAsync(() => !IsStill(), LooksAgainWithin, cancel); // No change of the table says that a token has ended.
        }

        return !cancel.IsCancellationRequested;

        bool IsStill() => Find(http) is Shown.By { Caller: var now } && (now.Role, now.Scope.Text) == (was.Role, was.Scope.Text);
    }

    public Shown Find(HttpContext http)
    {
        var (request, address) = (http.Request, AddressOf(http));
        if (request.Headers.Authorization.Count > 0 && !IsOpen)
        {
            var given = TokenOf($"{request.Headers.Authorization}");
            return FindToken(given, address) is { } caller ? new Shown.By(caller)
                : IsUnknown ? new Shown.NotKnownYet()
                : new Shown.Wrong();
        }

        if (IsUnknown)
        {
            return _token.Length > 0 && !request.Cookies.ContainsKey(Cookie) ? new Shown.Nothing() : new Shown.NotKnownYet();
        }

        if (request.Cookies[Cookie] is { Length: > 0 } cookie && !IsOpen)
        {
            return table.FindBySession(cookie, address, () => ApiTokenCredential) is { } caller
                ? new Shown.By(caller, IsSentByBrowser: true)
                : new Shown.Ended();
        }

        var user = $"{request.Headers[ProxyHeader]}";
        return user.Length > 0 && IsTrustedProxy(http)
            ? table.FindPerson(user, address, CallerVia.Proxy) is { } person
                ? new Shown.By(person, IsSentByBrowser: true)
                : new Shown.Stranger(user)
            : IsOpen ? new Shown.By(Caller.OfLoopback(address))
            : new Shown.Nothing();
    }

    /// <summary>The holder of a token; null = it is none that is valid.</summary>
    public Caller? FindToken(string token, IPAddress address) =>
        _token.Length > 0 && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(token), _token)
            ? Caller.OfApiToken(address)
            : !IsUnknown && token.Length > 0 ? table.FindByToken(token, address)
            : null;

    /// <summary>
    /// The client's address: the peer's, or behind a proxy on this host or a trusted one the last in X-Forwarded-For, which the proxy saw
    /// itself.
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

    /// <summary>Bearer and the token, or Basic with the token as password.</summary>
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

/// <summary>What a request shows of who makes it.</summary>
internal abstract record Shown
{
    private Shown()
    {
    }

    /// <param name="IsSentByBrowser">By itself, also for a page of somebody else: a change must come from our own page.</param>
    public sealed record By(Caller Caller, bool IsSentByBrowser = false) : Shown;

    public sealed record Nothing : Shown;

    /// <summary>A token that is none, or was revoked, or has ended.</summary>
    public sealed record Wrong : Shown;

    /// <summary>A session that has ended.</summary>
    public sealed record Ended : Shown;

    /// <summary>A name from a sign-in proxy that no person has.</summary>
    public sealed record Stranger(string Name) : Shown;

    /// <summary>People and tokens cannot be known now, because etcd has not been heard for too long.</summary>
    public sealed record NotKnownYet : Shown;
}
