using System.Globalization;
using System.Text.Json.Nodes;
using Dts.Master.Access;
using Dts.Master.Audit;

namespace Dts.Master.Api;

/// <summary>Signs callers in and out, and tells them who they are.</summary>
internal sealed class SessionApi(Credentials credentials, AccessTable table, AccessStore store, SignIn signIn, RefusedTokens refused)
{
    private const int BytesMax = 8 << 10;
    private const string ExpectedChange = """{"password":"…","new":"…"}""";
    private const string Expected = """{"name":"…","password":"…"} or {"token":"…"}""";

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/me", (HttpContext http) => Me.Of(Caller.Of(http))).RequireRole(Role.Viewer)
            .WithSummary("Who the caller is, how that was shown, and what the caller may do");

        v1.MapPost("/session", async (HttpContext http, CancellationToken cancel) =>
        {
            var given = JsonBody.Parse(await RequestBody.ReadTypedAsync(http, BytesMax, "application/json"), Expected);
            var (caller, kind, credential) = given.ContainsKey("token")
                ? await ByTokenAsync(http, Only(given, Expected, "token")["token"])
                : await ByPasswordAsync(http, Only(given, Expected, "name", "password"));
            var ended = table.SessionsTooMany(kind, caller.Name);
            var value = await store.AddSessionAsync(kind, caller.Name, credential, $"{caller.Address}", ended, cancel);
            await table.WaitForOwnWriteAsync(() => table.HasSession(value), cancel);
            http.Response.Cookies.Append(Credentials.Cookie, value, OptionsOf(http, AccessStore.SessionLasts));
            http.Features.Set(caller);
            return Me.Of(caller);
        }).AllowAnyone().WithSummary("Signs in with name and password, or a token: the answer sets a cookie, and says who signed in");

        v1.MapDelete("/session", async (HttpContext http, CancellationToken cancel) =>
        {
            if (http.Request.Cookies[Credentials.Cookie] is { Length: > 0 } value)
            {
                await store.RemoveSessionAsync(value, cancel);
                await table.WaitForOwnWriteAsync(() => !table.HasSession(value), cancel);
                http.Response.Cookies.Delete(Credentials.Cookie, OptionsOf(http, null));
            }

            return TypedResults.NoContent();
        }).RequireRole(Role.Viewer).WithSummary("Signs out, on all masters");

        v1.MapPut("/me/password", async (HttpContext http, CancellationToken cancel) =>
        {
            var body = await RequestBody.ReadTypedAsync(http, BytesMax, "application/json");
            var given = Only(JsonBody.Parse(body, ExpectedChange), ExpectedChange, "password", "new");
            var caller = Caller.Of(http);
            if (caller.Via != CallerVia.Person)
            {
                throw Refusal.Conflict($"{caller.Name} has not signed in with a password; expected a person who has");
            }

            await CheckAsync(http, caller.Name, given["password"]);
            try
            {
                var changed = await store.ChangePersonAsync(caller.Name, null, null, given["new"], cancel);
                await table.WaitForOwnWriteAsync(() => table.Has(caller.Name, changed?.After), cancel);
            }
            catch (FormatException wrong)
            {
                throw new Refusal(Problem.Of(422, $"new {wrong.Message}", field: "new"));
            }

            return TypedResults.NoContent();
        }).RequireRole(Role.Viewer).WithSummary("Replaces the caller's password, and ends all their sessions on all masters");
    }

    /// <summary>The members of a body, all of them texts, and no others.</summary>
    private static Dictionary<string, string> Only(JsonObject given, string expected, params string[] members)
    {
        JsonBody.WithOnly(given, members);
        if (members.FirstOrDefault(member => given[member] is null) is { } missing)
        {
            throw Refusal.Invalid($"{missing} is {(given.ContainsKey(missing) ? "null" : "missing")}; expected {expected}");
        }

        return members.ToDictionary(member => member, member => JsonBody.Text(member, given[member]));
    }

    private static CookieOptions OptionsOf(HttpContext http, TimeSpan? lasts) => new()
    {
        HttpOnly = true,
        SameSite = SameSiteMode.Strict,
        Path = "/",
        MaxAge = lasts,
        // The master speaks plain HTTP: only the proxy in front of it knows.
        Secure = http.Request.IsHttps || http.Request.Headers["X-Forwarded-Proto"] == "https",
    };

    private async Task<(Caller Caller, string Kind, string Credential)> ByTokenAsync(HttpContext http, string token)
    {
        var address = credentials.AddressOf(http);
        var caller = credentials.FindToken(token, address);
        if (caller is null)
        {
            ThrowIfUnknown();
            caller = await refused.WaitAsync(address, http.RequestAborted)
                ? credentials.FindToken(token, address) // Another master may have created it a moment ago.
                : throw Refusal.TooMany("too many requests with a wrong token; try again later");
        }

        return caller is null
            ? throw new Refusal(Problem.Of(401, "token is none that this master knows; it was mistyped, revoked, or has ended"))
            : caller.Via == CallerVia.ApiToken
            ? (caller, Session.OfApiToken, credentials.ApiTokenCredential)
            : (caller, Session.OfToken, Secret.Digest(token));
    }

    private async Task<(Caller Caller, string Kind, string Credential)> ByPasswordAsync(HttpContext http, Dictionary<string, string> given)
    {
        var right = await CheckAsync(http, given["name"], given["password"]);
        return (right.Caller, Session.OfPerson, right.Credential);
    }

    private async Task<SignInAnswer.Right> CheckAsync(HttpContext http, string name, string password)
    {
        ThrowIfUnknown();
        // An unknown name is not kept: it may be a password in the wrong field.
        AuditNotes.Of(http).Claimed = table.People.ContainsKey(name) ? name : "";
        switch (await signIn.TryAsync(name, password, credentials.AddressOf(http), http.RequestAborted))
        {
            case SignInAnswer.Right right:
                return right;
            case SignInAnswer.TooMany(var wait):
                http.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
                throw Refusal.TooMany("too many attempts to sign in; Retry-After says when to try again");
            default:
                throw new Refusal(Problem.Of(401, "name or password are wrong"));
        }
    }

    private void ThrowIfUnknown()
    {
        if (credentials.IsUnknown)
        {
            throw Refusal.Unavailable("people and tokens cannot be read from etcd, so nobody can sign in; try again");
        }

        if (!table.HasRecords && credentials.IsOpen)
        {
            throw Refusal.Conflict("this master knows neither people nor tokens, and asks nobody on its host to sign in");
        }
    }
}

/// <param name="Role">viewer, operator, editor or admin.</param>
/// <param name="Filter">The jobs that the caller may see and act on; empty = all.</param>
/// <param name="Via">person, token, proxy, apiToken, or loopback: this master knows neither tokens nor people.</param>
internal sealed record Me(string Name, string Role, string Filter, string Via)
{
    public static Me Of(Caller caller) => new(caller.Name, caller.Role.Word(), caller.Scope.Text, caller.Via.Word());
}
