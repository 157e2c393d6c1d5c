using System.Net;
using System.Security.Cryptography;
using System.Text;
using Dts.Common.Hosting;
using Dts.Master.Access;
using Dts.Master.Versions;

namespace Dts.Master.Api;

/// <summary>Who may ask: the holder of the token, if there is one, and never a web page of somebody else.</summary>
/// <remarks>
/// A browser sends its user's credentials and reaches its user's loopback for any page. So what changes something is refused when it comes
/// from a page of another origin: by Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) and by Origin (RFC 6454); curl sends neither
/// header. Without a token the Host header must be a loopback name, because an attacker's own name can resolve to 127.0.0.1. Without a
/// token the guard also refuses every request that came through a proxy: a proxy on this host reaches the loopback for anyone, and may set
/// any Host.
/// </remarks>
internal sealed class RequestGuard(MasterSettings settings, Func<IReadOnlyList<string>> allowedOrigins, RefusedTokens refused)
{
    private static readonly string[] ProxyHeaders = ["Forwarded", "Via", "X-Real-IP"];

    private readonly byte[] _token = Encoding.UTF8.GetBytes(settings.ApiToken);

    public async Task CheckAsync(HttpContext http, RequestDelegate next)
    {
        var path = http.Request.Path;
        if (path == "/healthz" || path == "/readyz")
        {
            await next(http);
        }
        else if (_token.Length == 0 && http.Request.Headers.Keys.FirstOrDefault(IsFromProxy) is { } header)
        {
            var request = $"request came through a proxy (header {Display.Line(header)})";
            await RefuseAsync(
                http, 403, $"{request}, and this master has no apiToken; set apiToken (DTS_APITOKEN), at least 16 characters");
        }
        else if (!HasToken(http.Request))
        {
            if (!await RefuseSlowlyAsync(http))
            {
                return;
            }

            http.Response.Headers.WWWAuthenticate = "Basic realm=\"DTS: any user, the apiToken as password\"";
            await RefuseAsync(
                http, 401, "not authorized; expected Authorization: Bearer <apiToken>, or Basic with the apiToken as password");
        }
        else if (_token.Length == 0 && !IsLoopback(http.Request.Host.Host))
        {
            await RefuseAsync(
                http,
                403,
                $"host \"{http.Request.Host.Host}\" is not ours; expected a loopback name; for any other name set apiToken (DTS_APITOKEN)");
        }
        else if (IsChange(http.Request) && !IsFromOurPages(http.Request))
        {
            await RefuseAsync(
                http,
                403,
                $"origin \"{http.Request.Headers.Origin}\" may not change jobs; if it is your console, add it to allowedOrigins");
        }
        else
        {
            http.Features.Set(CallerOf(http));
            await next(http);
            if (http.Response is { StatusCode: StatusCodes.Status405MethodNotAllowed, HasStarted: false })
            {
                await RefuseAsync(
                    http,
                    405,
                    $"method {Display.Line(http.Request.Method)} is not for this path; expected {http.Response.Headers.Allow}");
            }
        }
    }

    /// <summary>Waits before the answer to a wrong token. False = it is answered already, or the client has gone.</summary>
    private async Task<bool> RefuseSlowlyAsync(HttpContext http)
    {
        if (http.Request.Headers.Authorization.Count == 0)
        {
            return true; // A browser sends this request first, then shows its dialog.
        }

        try
        {
            if (await refused.WaitAsync(AddressOf(http), http.RequestAborted))
            {
                return true;
            }
        }
        catch (OperationCanceledException)
        {
            return false;
        }

        await RefuseAsync(http, 429, "too many requests with a wrong apiToken; try again later");
        return false;
    }

    /// <summary>Refuses with a true status, also on the original's paths.</summary>
    public static Task RefuseAsync(HttpContext http, int status, string message)
    {
        http.Response.StatusCode = status;
        return Problem.AnswerAsync(http, Problem.Of(status, message));
    }

    /// <summary>
    /// The client's address: the peer's, or behind a proxy on this host the last in X-Forwarded-For, which the proxy saw itself.
    /// </summary>
    private static IPAddress AddressOf(HttpContext http)
    {
        var peer = http.Connection.RemoteIpAddress ?? IPAddress.None;
        var seen = http.Request.Headers["X-Forwarded-For"].ToString().Split(',')[^1].Trim();
        return IPAddress.IsLoopback(peer) && IPAddress.TryParse(seen, out var client) ? client : peer;
    }

    private Caller CallerOf(HttpContext http) => _token.Length > 0
        ? new Caller(Author.Token, Role.Admin, Scope.Everything, AddressOf(http), CallerVia.ApiToken)
        : new Caller(Author.Local, Role.Admin, Scope.Everything, AddressOf(http), CallerVia.Loopback);

    private static bool IsFromProxy(string header) =>
        header.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase)
        || ProxyHeaders.Contains(header, StringComparer.OrdinalIgnoreCase);

    private static bool IsChange(HttpRequest request) => !HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method);

    private bool HasToken(HttpRequest request)
    {
        if (_token.Length == 0)
        {
            return true;
        }

        var given = request.Headers.Authorization.ToString().Split(' ', 2) switch
        {
            [var scheme, var token] when scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase) => token,
            [var scheme, var encoded] when scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase) => DecodePassword(encoded),
            _ => "",
        };
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), _token);
    }

    private static string DecodePassword(string encoded)
    {
        Span<byte> decoded = stackalloc byte[1024];
        return Convert.TryFromBase64String(encoded, decoded, out var length)
            && Encoding.UTF8.GetString(decoded[..length]).Split(':', 2) is [_, var password]
                ? password
                : "";
    }

    private bool IsFromOurPages(HttpRequest request)
    {
        var origin = request.Headers.Origin.ToString();
        if (allowedOrigins().Contains(origin, StringComparer.OrdinalIgnoreCase))
        {
            return true;
        }

        if (request.Headers["Sec-Fetch-Site"].ToString() is not ("" or "same-origin" or "none"))
        {
            return false;
        }

        return origin.Length == 0
            || (Uri.TryCreate(origin, UriKind.Absolute, out var page)
                && string.Equals(page.Authority, request.Host.Value, StringComparison.OrdinalIgnoreCase)
                && (_token.Length > 0 || IsLoopback(page.DnsSafeHost)));
    }

    public static bool IsLoopback(string host) =>
        host == "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
}
