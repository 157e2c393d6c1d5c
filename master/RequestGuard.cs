using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Dts.Master;

/// <summary>Who may ask: the holder of the token, if there is one, and never a web page of somebody else.</summary>
/// <remarks>
/// A browser sends its user's credentials and reaches its user's loopback for any page. So what changes something is refused when it comes from a
/// page of another origin: by Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) and by Origin (RFC 6454); curl sends neither header. And since a name
/// of the attacker's own can lead to 127.0.0.1, without a token the host that is asked for must be a loopback name or be named in allowedOrigins.
/// </remarks>
internal sealed class RequestGuard(MasterSettings settings, Func<IReadOnlyList<string>> allowedOrigins)
{
    private readonly byte[] _token = Encoding.UTF8.GetBytes(settings.ApiToken);

    public async Task CheckAsync(HttpContext http, RequestDelegate next)
    {
        var path = http.Request.Path;
        if (path == "/healthz" || path == "/readyz")
        {
            await next(http);
        }
        else if (!HasToken(http.Request))
        {
            http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            http.Response.Headers.WWWAuthenticate = "Basic realm=\"DTS: any user, the apiToken as password\"";
            await Answer.FailAsync(http, "not authorized; expected Authorization: Bearer <apiToken>, or Basic with the apiToken as password");
        }
        else if (_token.Length == 0 && !IsOurHost(http.Request.Host.Host))
        {
            http.Response.StatusCode = StatusCodes.Status403Forbidden;
            await Answer.FailAsync(http, $"host \"{http.Request.Host.Host}\" is not ours; expected a loopback name, an origin in allowedOrigins, or an apiToken");
        }
        else if (IsChange(http.Request) && !IsFromOurPages(http.Request))
        {
            http.Response.StatusCode = StatusCodes.Status403Forbidden;
            await Answer.FailAsync(http, $"origin \"{http.Request.Headers.Origin}\" may not change jobs; if it is your console, add it to allowedOrigins");
        }
        else
        {
            await next(http);
        }
    }

    private static bool IsChange(HttpRequest request) => !HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method);

    private bool HasToken(HttpRequest request)
    {
        if (_token.Length == 0)
        {
            return true;
        }

        var given = request.Headers.Authorization.ToString().Split(' ', 2) switch
        {
            ["Bearer", var token] => token,
            ["Basic", var encoded] => DecodePassword(encoded),
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
                && (_token.Length > 0 || IsOurHost(page.DnsSafeHost)));
    }

    private bool IsOurHost(string host) =>
        host == "localhost"
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address))
        || allowedOrigins().Any(origin => Uri.TryCreate(origin, UriKind.Absolute, out var allowed) && allowed.Host == host);
}
