using System.Net;
using Dts.Common.Hosting;
using Dts.Master.Access;

namespace Dts.Master.Api;

/// <summary>Lets a request pass if its caller is known, or none needs to be, and refuses changes from web pages of other sites.</summary>
/// <remarks>
/// For any page, a browser sends its user's credentials and reaches its user's loopback. So a change is refused if it comes from a page of
/// another origin: by Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) and by Origin (RFC 6454); curl sends neither header.
/// Credentials that a browser or its proxy adds by itself, such as a cookie, count for a change only with one of the two. If the master
/// needs no credentials, the Host header must be a loopback name, because an attacker's own name can resolve to 127.0.0.1. Every request
/// that came through a proxy is then refused: a proxy on this host reaches the loopback for anyone, and may set any Host.
/// </remarks>
internal sealed class RequestGuard(
    Func<IReadOnlyList<string>> allowedOrigins,
    RefusedTokens refused,
    Credentials credentials,
    Action<Caller> seen)
{
    private const string Expected =
        "not authorized; expected a session, or a token: Authorization: Bearer <token>, or Basic with the token as password";

    private const string OrToken = "or make people or tokens: dts-master token create --role admin --name NAME";

    private static readonly string[] ProxyHeaders = ["Forwarded", "Via", "X-Real-IP"];

    public async Task CheckAsync(HttpContext http, RequestDelegate next)
    {
        var path = http.Request.Path;
        var needsNoCaller = path == "/healthz" || path == "/readyz"
            || http.GetEndpoint()?.Metadata.GetMetadata<AllowsAnyone>() is not null;
        if (needsNoCaller ? await IsOursAsync(http, mustSay: false) : await MayPassAsync(http))
        {
            await (http.GetEndpoint()?.Metadata.GetMetadata<OwnDeadline>() is null ? next(http) : StreamAsync(http, next));
            if (!needsNoCaller && http.Response is { StatusCode: StatusCodes.Status405MethodNotAllowed, HasStarted: false })
            {
                await RefuseAsync(
                    http,
                    405,
                    $"method {Display.Line(http.Request.Method)} is not for this path; expected {http.Response.Headers.Allow}");
            }
        }
    }

    /// <summary>Refuses with a true status, also on the original's paths.</summary>
    public static Task RefuseAsync(HttpContext http, int status, string message)
    {
        http.Response.StatusCode = status;
        return Problem.AnswerAsync(http, Problem.Of(status, message));
    }

    public static bool IsLoopback(string host) =>
        host == "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));

    /// <summary>A stream ends when its caller's token or session does, not only with the next request.</summary>
    private async Task StreamAsync(HttpContext http, RequestDelegate next)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        var abort = AbortAsync();
        try
        {
            await next(http);
        }
        finally
        {
            await ended.CancelAsync();
            await abort;
        }

        async Task AbortAsync()
        {
            if (await credentials.WaitUntilUnknownAsync(http, ended.Token))
            {
                http.Abort();
            }
        }
    }

    /// <summary>False = the request is answered.</summary>
    private async Task<bool> MayPassAsync(HttpContext http)
    {
        var shown = credentials.Find(http);
        if (shown is Identification.WrongToken && !await RefuseSlowlyAsync(http))
        {
            return false;
        }

        switch (shown is Identification.WrongToken or Identification.SessionEnded ? await credentials.FindAgainAsync(http) : shown)
        {
            case Identification.Known(var caller, var isSentByBrowser):
                if (caller.Via == CallerVia.Loopback && WhyNotLoopback(http.Request) is { } why)
                {
                    await RefuseAsync(http, 403, why);
                    return false;
                }

                http.Features.Set(caller);
                seen(caller);
                return await IsOursAsync(http, isSentByBrowser);
            case Identification.WrongToken:
                return await RefuseUnknownAsync(http, Expected);
            case Identification.SessionEnded:
                return await RefuseUnknownAsync(http, "the session has ended; sign in again");
            case Identification.UnknownPerson(var name):
                var person = $"{Credentials.ProxyHeader} is \"{Display.Line(name)}\", which is not a person that this master knows";
                await RefuseAsync(http, 403, $"{person}; an admin adds one: dts-master user add NAME --role ROLE --no-password");
                return false;
            case Identification.Unavailable:
                await RefuseAsync(http, 503, "people and tokens cannot be read from etcd, so nobody is known; try again");
                return false;
            default:
                return await RefuseUnknownAsync(http, Expected);
        }
    }

    /// <summary>Why a request without credentials may come from another host; null = it comes from this one.</summary>
    private static string? WhyNotLoopback(HttpRequest request) =>
        request.Headers.Keys.FirstOrDefault(IsFromProxy) is { } header
            ? $"request came through a proxy (header {Display.Line(header)}), and this master has no apiToken; "
                + $"set apiToken (DTS_APITOKEN), at least 16 characters, {OrToken}"
        : !IsLoopback(request.Host.Host)
            ? $"host \"{request.Host.Host}\" is not ours; expected a loopback name; "
                + $"for any other name set apiToken (DTS_APITOKEN), {OrToken}"
        : null;

    /// <summary>401, always false.</summary>
    private static async Task<bool> RefuseUnknownAsync(HttpContext http, string message)
    {
        // Below /api/ the console asks, and it has its own form instead of the browser's dialog.
        http.Response.Headers.WWWAuthenticate = Problem.IsBelowApi(http.Request)
            ? "Bearer realm=\"DTS\""
            : "Basic realm=\"DTS: any user, the token as password\"";
        await RefuseAsync(http, 401, message);
        return false;
    }

    /// <summary>Waits before the answer to a wrong token. False = it is answered already, or the client has gone.</summary>
    private async Task<bool> RefuseSlowlyAsync(HttpContext http)
    {
        try
        {
            if (await refused.WaitAsync(credentials.AddressOf(http), http.RequestAborted))
            {
                return true;
            }
        }
        catch (OperationCanceledException)
        {
            return false;
        }

        await RefuseAsync(http, 429, "too many requests with a wrong token; try again later");
        return false;
    }

    private async Task<bool> IsOursAsync(HttpContext http, bool mustSay)
    {
        if (!IsChange(http.Request) || IsFromOurPages(http.Request, mustSay))
        {
            return true;
        }

        await RefuseAsync(http, 403, WhyNotOurs($"{http.Request.Headers.Origin}", $"{http.Request.Headers["Sec-Fetch-Site"]}"));
        return false;
    }

    private static string WhyNotOurs(string origin, string site) =>
        origin.Length > 0 ? $"origin \"{Display.Line(origin)}\" may not change jobs; if it is your console, add it to allowedOrigins"
        : site.Length > 0 ? $"Sec-Fetch-Site is \"{Display.Line(site)}\"; expected same-origin: other sites' pages may not change jobs"
        : "Origin is missing; expected the console's origin, because a browser sends its credentials for any page that asks";

    private static bool IsFromProxy(string header) =>
        header.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase)
        || ProxyHeaders.Contains(header, StringComparer.OrdinalIgnoreCase);

    private static bool IsChange(HttpRequest request) => !HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method);

    /// <param name="mustSay">A request must name the page that it comes from.</param>
    private bool IsFromOurPages(HttpRequest request, bool mustSay)
    {
        var origin = request.Headers.Origin.ToString();
        // While the master needs no credentials, no page of another site may change anything.
        if (allowedOrigins().Contains(origin, StringComparer.OrdinalIgnoreCase)
            && (!credentials.IsOpen || MasterSettings.IsLoopback(origin)))
        {
            return true;
        }

        var site = request.Headers["Sec-Fetch-Site"].ToString();
        if (site is not ("" or "same-origin" or "none") || (mustSay && origin.Length == 0 && site != "same-origin"))
        {
            return false;
        }

        return origin.Length == 0
            || (Uri.TryCreate(origin, UriKind.Absolute, out var page)
                && string.Equals(page.Authority, request.Host.Value, StringComparison.OrdinalIgnoreCase)
                && (!credentials.IsOpen || IsLoopback(page.DnsSafeHost)));
    }
}
