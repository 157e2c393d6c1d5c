using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Sessions, tokens, and attacks on them.</summary>
public sealed class SignInTests(AccessMaster access) : IClassFixture<AccessMaster>
{
    private const string Password = "correct horse battery";
    private const string SignIn = "/api/v1/session";

    private static readonly SocketsHttpHandler s_handler = new() { UseCookies = false };

    private string Origin => access.Master.Http.BaseAddress!.GetLeftPart(UriPartial.Authority);

    [Fact]
    public async Task A_person_signs_in_is_known_by_the_cookie_and_signs_out()
    {
        await AddAsync("mara", Role.Editor, AccessMaster.Limit);

        var (cookie, header, body) = await SignInAsync("mara");

        Assert.Equal("""{"name":"mara","role":"editor","filter":"label:team=pay","via":"person"}""", body);
        Assert.Contains("httponly", header, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", header, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("secure", header, StringComparison.OrdinalIgnoreCase);
        Assert.Equal((200, body), await AskAsync("GET", "/api/v1/me", cookie));
        Assert.Equal(204, (await AskAsync("DELETE", SignIn, cookie, Origin)).Status);
        Assert.Equal(401, (await AskAsync("GET", "/api/v1/me", cookie)).Status); // Replayed.
    }

    [Fact]
    public async Task Behind_TLS_the_cookie_is_secure()
    {
        await AddAsync("tls", Role.Viewer);

        var (_, header, _) = await SignInAsync("tls", ("X-Forwarded-Proto", "https"));

        Assert.Contains("secure", header, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("{}",                        """name is missing; expected {"name":"…","password":"…"} or {"token":"…"}""")]
    [InlineData("""{"name":"a"}""",          """password is missing; expected {"name":"…","password":"…"} or {"token":"…"}""")]
    [InlineData("""{"token":null}""",        """token is null; expected {"name":"…","password":"…"} or {"token":"…"}""")]
    [InlineData("""{"token":5}""",           "token is not a text; expected one")]
    [InlineData("""{"name":5,"password":"x"}""", "name is 5; expected a text")]
    public async Task A_wrong_body_of_a_session_is_named_without_its_secret(string body, string detail)
    {
        var (status, _, answer) = await PostAsync(SignIn, body);

        Assert.Equal((422, detail), (status, (string?)JsonNode.Parse(answer)!["detail"]));
    }

    [Fact]
    public async Task A_token_signs_in_too_and_its_revocation_ends_the_session()
    {
        await AddTokenAsync("temporary");
        await KnownAsync("temporary");
        var (status, header, _) = await PostAsync(SignIn, $$"""{"token":"{{access.Tokens["temporary"]}}"}""");
        Assert.Equal(200, status);
        Assert.Equal(200, (await AskAsync("GET", "/api/v1/me", CookieOf(header))).Status);

        Assert.Equal(204, (await access.AskAsync("admin", "DELETE", "/api/v1/tokens/temporary")).Status);

        Assert.Equal(401, (await AskAsync("GET", "/api/v1/workers", CookieOf(header))).Status);
        var records = await access.AuditAsync(record => $"{record["act"]}" == "GET /api/v1/workers");
        Assert.Contains(records, record => $"{record!["outcome"]} {record["detail"]}" == "refused the session has ended; sign in again");
        Assert.Equal(401, (await access.AskAsync("temporary", "GET", "/api/v1/me")).Status);
    }

    [Fact]
    public async Task A_new_password_and_a_removal_end_the_sessions_of_a_person()
    {
        await AddAsync("chen", Role.Viewer);
        var (first, _, _) = await SignInAsync("chen");
        var (status, refused) = await AskAsync(
            "PUT", "/api/v1/me/password", first, Origin, $$"""{"password":"{{Password}}","new":"short"}""");
        Assert.Equal(422, status);
        Assert.Contains("\"new password has 5 characters; expected 12 to 1000\"", refused, StringComparison.Ordinal);
        Assert.Contains("\"field\":\"new\"", refused, StringComparison.Ordinal);
        var change = await AskAsync(
            "PUT", "/api/v1/me/password", first, Origin, $$"""{"password":"{{Password}}","new":"another horse battery"}""");
        Assert.Equal((204, ""), change);
        Assert.Equal(401, (await AskAsync("GET", "/api/v1/me", first)).Status);

        Assert.Equal(401, (await PostAsync(SignIn, $$"""{"name":"chen","password":"{{Password}}"}""")).Status);
        var (second, _, _) = await SignInAsync("chen", password: "another horse battery");
        Assert.Equal(204, (await access.AskAsync("admin", "DELETE", "/api/v1/users/chen")).Status);
        Assert.Equal(401, (await AskAsync("GET", "/api/v1/me", second)).Status);
    }

    [Fact]
    public async Task A_stream_ends_when_its_token_is_revoked()
    {
        await AddTokenAsync("stream");
        await KnownAsync("stream");
        var run = access.Master.Keys.Run(JobName.Parse("own"), "20261122T110000Z");
        await access.Master.Etcd.PutAsync(run, "in flight, so that its output goes on");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/runs/own/20261122T110000Z/output?follow=true");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", access.Tokens["stream"]);
        using var answer = await access.Master.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var stream = new StreamReader(await answer.Content.ReadAsStreamAsync());
        Assert.Equal(": following", await stream.ReadLineAsync().Soon());

        await access.AskAsync("admin", "DELETE", "/api/v1/tokens/stream");

        await Assert.ThrowsAnyAsync<IOException>(() => stream.ReadToEndAsync().Soon());
        await access.Master.Etcd.DeleteAsync(run);
    }

    [Fact]
    public async Task An_expired_token_is_refused()
    {
        await access.AddEndedTokenAsync("ended");

        Assert.Equal(401, (await access.AskAsync("ended", "GET", "/api/v1/me")).Status);
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public async Task A_forged_cookie_is_refused(string value) =>
        Assert.Equal(401, (await AskAsync("GET", "/api/v1/me", $"{Credentials.Cookie}={value}")).Status);

    [Fact]
    public async Task A_forged_cookie_is_in_the_audit_trail()
    {
        Assert.Equal(401, (await AskAsync("GET", "/api/v1/schedule", $"{Credentials.Cookie}=forged")).Status);

        var records = await access.AuditAsync(record => $"{record["act"]}" == "GET /api/v1/schedule");

        Assert.Contains(records, record => $"{record!["outcome"]} {record["detail"]}" == "refused the session has ended; sign in again");
    }

    [Fact]
    public async Task A_digest_from_etcd_is_neither_a_cookie_nor_a_token()
    {
        await AddAsync("lin", Role.Admin);
        await SignInAsync("lin");
        var keys = access.Master.Keys;
        foreach (var pair in await access.Master.Etcd.ListAsync(keys.Sessions))
        {
            var digest = pair.Key.ToStringUtf8()[keys.Sessions.Length..];
            Assert.Equal(401, (await AskAsync("GET", "/api/v1/me", $"{Credentials.Cookie}={digest}")).Status);
        }

        var tokens = await access.Access.ListTokensAsync(default);
        var answers = await Task.WhenAll(tokens.Select(listed => access.AskAsync(listed.Token.Sha256, "GET", "/api/v1/me")));
        Assert.NotEmpty(answers);
        Assert.All(answers, answer => Assert.Equal(401, answer.Status)); // All at once: each wrong token is answered later than the last.
    }

    [Fact]
    public async Task A_cookie_allows_changes_only_from_our_own_pages()
    {
        await AddAsync("jonas", Role.Operator);
        var (cookie, _, _) = await SignInAsync("jonas");
        const string pause = "/api/v1/jobs/own/pause";

        var (status, refused) = await AskAsync("POST", pause, cookie);
        Assert.Equal(403, status);
        Assert.Contains("Origin is missing; expected the console's origin", refused, StringComparison.Ordinal);
        Assert.Equal(403, (await AskAsync("POST", pause, cookie, "https://evil.example")).Status);
        Assert.Equal(403, (await AskAsync("POST", pause, cookie, "null")).Status);
        Assert.Equal(403, (await AskAsync("DELETE", SignIn, cookie, "https://evil.example")).Status);
        Assert.Equal(200, (await AskAsync("POST", pause, cookie, Origin)).Status);
        Assert.Equal(200, (await AskAsync("POST", "/api/v1/jobs/own/resume", cookie, Origin)).Status);
        Assert.Equal(200, (await AskAsync("GET", "/api/v1/me", cookie)).Status);
        var foreign = await PostAsync(SignIn, $$"""{"name":"jonas","password":"{{Password}}"}""", ("Origin", "https://evil.example"));
        Assert.Equal(403, foreign.Status); // Nobody is signed in by another page.
    }

    [Theory]
    [InlineData("GET",  "/api/v1/../v1/jobs")]
    [InlineData("GET",  "//api/v1/jobs")]
    [InlineData("GET",  "/API/V1/JOBS")]
    [InlineData("GET",  "/api/v1/jobs/")]
    [InlineData("GET",  "/api/v1/jobs/own%2f..%2fforeign")]
    [InlineData("GET",  "/api%2fv1%2fjobs")]
    [InlineData("GET",  "/healthz/../api/v1/jobs")]
    [InlineData("HEAD", "/api/v1/jobs")]
    [InlineData("POST", "/api/v1/session/../jobs/own/run")]
    public async Task No_spelling_of_a_path_bypasses_authentication(string method, string path)
    {
        // By hand: a client would tidy the path up.
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, access.Master.Http.BaseAddress!.Port);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
        using var reader = new StreamReader(stream);
        var answer = await reader.ReadToEndAsync().Soon();

        Assert.Matches(@"^HTTP/1\.1 (400|401|404) ", answer);
        Assert.DoesNotContain("\"own\"", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}",                                                       422)]
    [InlineData("""{"name":"mara"}""",                                      422)]
    [InlineData("""{"name":"mara","password":"x","role":"admin"}""",        422)]
    [InlineData("""{"name":1,"password":"x"}""",                            422)]
    [InlineData("""{"name":"nobody","password":"x"}""",                     401)]
    [InlineData("""{"token":""}""",                                         401)]
    [InlineData("""{"token":"dts_AAAA"}""",                                 401)]
    [InlineData("not json",                                                 400)]
    public async Task A_wrong_sign_in_gets_its_status(string body, int status) =>
        Assert.Equal(status, (await PostAsync(SignIn, body, ("X-Forwarded-For", "192.0.2.77"))).Status);

    [Fact]
    public async Task An_oversized_sign_in_is_refused() => Assert.Equal(
        413, (await PostAsync(SignIn, $$"""{"name":"mara","password":"{{new string('x', 100_000)}}"}""")).Status);

    [Fact]
    public async Task A_slow_sign_in_is_ended_and_delays_nobody()
    {
        await AddAsync("quick", Role.Viewer);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, access.Master.Http.BaseAddress!.Port);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST {SignIn} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n"));
        using var reader = new StreamReader(stream);
        var answer = reader.ReadToEndAsync();
        using var each = new PeriodicTimer(TimeSpan.FromSeconds(1));
        for (var n = 0; !answer.IsCompleted && n < 60; n++)
        {
            _ = await Record.ExceptionAsync(() => stream.WriteAsync("{"u8.ToArray()).AsTask()); // It may be closed by now.
            Assert.NotEmpty((await SignInAsync("quick")).Cookie);
            await each.WaitForNextTickAsync();
        }

        var failure = await Record.ExceptionAsync(() => answer.Soon());
        Assert.True(failure is IOException || (await answer).StartsWith("HTTP/1.1 408 ", StringComparison.Ordinal), $"{failure}");
        var records = await access.AuditAsync(record => $"{record["detail"]}".Contains("too slowly", StringComparison.Ordinal));
        Assert.Contains(records, record => $"{record!["act"]} {record["outcome"]}" == "POST /api/v1/session failed");
    }

    [Fact]
    public async Task The_list_of_tokens_shows_the_day_of_each_last_use()
    {
        await AddTokenAsync("used");
        await AddTokenAsync("unused");

        var before = DateTime.UtcNow;
        await KnownAsync("used");

        await Patience.Until(() => UsedOn("used") is not null, access.Master.Said);
        Assert.InRange(DateOnly.Parse(UsedOn("used")!), DateOnly.FromDateTime(before), DateOnly.FromDateTime(DateTime.UtcNow));
        Assert.Null(UsedOn("unused"));
        Assert.Equal(204, (await access.AskAsync("admin", "DELETE", "/api/v1/tokens/used")).Status);
        Assert.Null(await access.Master.Etcd.FindAsync(access.Master.Keys.UsedTokens + "used"));

        string? UsedOn(string name) =>
            (string?)JsonNode.Parse(access.AskAsync("admin", "GET", "/api/v1/tokens").GetAwaiter().GetResult().Body)!["tokens"]!.AsArray()
                .Single(token => (string?)token!["name"] == name)!["usedOn"];
    }

    [Fact]
    public async Task The_fifty_first_session_of_a_token_ends_the_oldest()
    {
        await AddTokenAsync("signs-in");
        await KnownAsync("signs-in");
        List<string> cookies = [];
        for (var n = 0; n < AccessTable.SessionsMax + 1; n++)
        {
            var (status, header, body) = await PostAsync(SignIn, $$"""{"token":"{{access.Tokens["signs-in"]}}"}""");
            Assert.True(status == 200, body);
            cookies.Add(CookieOf(header));
            Assert.Equal(200, (await AskAsync("GET", "/api/v1/me", cookies[^1])).Status); // The master knows of it.
        }

        await Patience.Until(
            () => AskAsync("GET", "/api/v1/me", cookies[0]).GetAwaiter().GetResult().Status == 401, access.Master.Said);
        Assert.Equal(200, (await AskAsync("GET", "/api/v1/me", cookies[1])).Status);
        Assert.Equal(
            AccessTable.SessionsMax,
            (await access.Master.Etcd.ListAsync(access.Master.Keys.Sessions)).Count(
                pair => pair.Value.ToStringUtf8().Contains("\"signs-in\"", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Ten_thousand_wrong_passwords_delay_nobody_else()
    {
        await AddAsync("target", Role.Admin);
        await AddAsync("other", Role.Viewer);
        const string wrong = """{"name":"target","password":"wrong wrong wrong"}""";

        var begun = Environment.TickCount64;
        var attack = Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            Dictionary<int, int> statuses = [];
            for (var n = 0; n < 2500; n++)
            {
                var (status, _, _) = await PostAsync(SignIn, wrong, ("X-Forwarded-For", "203.0.113.80"));
                statuses[status] = statuses.GetValueOrDefault(status) + 1;
            }

            return statuses;
        }));
        await SignInAsync("target", ("X-Forwarded-For", "192.0.2.10"));
        await SignInAsync("other", ("X-Forwarded-For", "192.0.2.11"));
        Assert.Equal(200, (await access.AskAsync("viewer", "GET", "/api/v1/jobs")).Status);
        var answers = (await attack).SelectMany(statuses => statuses).GroupBy(one => one.Key).ToDictionary(
            same => same.Key, same => same.Sum(one => one.Value));

        var minutes = (Environment.TickCount64 - begun) / 60_000;
        Assert.Equal([401, 429], answers.Keys.Where(status => status != 503).Order()); // One that waits for others may be too late.
        Assert.Equal(10_000, answers.Values.Sum());
        Assert.True(answers[401] <= SignInThrottle.OfNetwork * (minutes + 1), $"{answers[401]} were checked, {minutes} minutes");
        var records = await access.AuditAsync(record => $"{record["from"]}" == "203.0.113.80");
        Assert.Contains(
            records, record => $"{record!["who"]} {record["outcome"]} {record["detail"]}" == "target refused name or password are wrong");
        Assert.True(records.Count(record => $"{record!["from"]}" == "203.0.113.80") < 100);
    }

    [Fact]
    public async Task Another_master_learns_of_sign_out_and_revocation()
    {
        await AddAsync("far", Role.Viewer);
        var (cookie, _, _) = await SignInAsync("far");
        using var stop = new CancellationTokenSource();
        var table = new AccessTable(access.Master.Keys, TimeProvider.System);
        var keeper = new AccessKeeper(table, access.Master.Etcd, access.Master.Keys, new ForeignValues(NullLogger.Instance));
        var running = keeper.RunAsync(stop.Token);
        var other = new Credentials(MasterSettings.Read(SettingsReader.Load([], "")), table);
        await Patience.Until(() => other.Find(Request()) is Identification.Known { Caller.Name: "far" }, () => "the session is not known");

        await AskAsync("DELETE", SignIn, cookie, Origin);

        await Patience.Until(() => other.Find(Request()) is Identification.SessionEnded, () => "the session has not ended");
        await stop.CancelAsync();
        await running;

        HttpContext Request() => new DefaultHttpContext
        {
            Request = { Method = "GET", Host = new HostString("h"), Headers = { Cookie = cookie } },
            Connection = { RemoteIpAddress = IPAddress.Loopback },
        };
    }

    private async Task AddTokenAsync(string name) =>
        access.Tokens[name] = (await access.Access.AddTokenAsync(name, Role.Viewer, "", null, "tests", default))!;

    /// <summary>Asks with a token until the master knows it.</summary>
    private Task KnownAsync(string token) => Patience.Until(
        async () => (await access.AskAsync(token, "GET", "/api/v1/me")).Status == 200, access.Master.Said);

    private async Task AddAsync(string name, Role role, string filter = "")
    {
        Assert.True(await access.Access.AddPersonAsync(name, role, filter, Password, "tests", default));
        await Patience.Until(
            () => access.AskAsync("admin", "GET", "/api/v1/users").GetAwaiter().GetResult().Body.Contains(
                $"\"{name}\"", StringComparison.Ordinal),
            () => $"the master does not know {name}");
    }

    private async Task<(string Cookie, string Header, string Body)> SignInAsync(
        string name, (string, string)? header = null, string password = Password)
    {
        var answer = await PostAsync(SignIn, $$"""{"name":"{{name}}","password":"{{password}}"}""", header is { } one ? [one] : []);
        Assert.True(answer.Status == 200, $"{answer.Status} {answer.Body}");
        return (CookieOf(answer.Header), answer.Header, answer.Body);
    }

    private static string CookieOf(string header) => header.Split(';')[0];

    private async Task<(int Status, string Header, string Body)> PostAsync(
        string path, string body, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        request.Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        using var client = Client();
        using var answer = await client.SendAsync(request);
        var cookie = answer.Headers.TryGetValues("Set-Cookie", out var values) ? values.Single() : "";
        return ((int)answer.StatusCode, cookie, await answer.Content.ReadAsStringAsync());
    }

    private async Task<(int Status, string Body)> AskAsync(
        string method, string path, string cookie, string? origin = null, string? body = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Headers.Add("Cookie", cookie);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        if (origin is not null)
        {
            request.Headers.Add("Origin", origin);
        }

        using var client = Client();
        using var answer = await client.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Keeps no cookies.</summary>
    private HttpClient Client() => new(s_handler, disposeHandler: false)
    {
        BaseAddress = access.Master.Http.BaseAddress, Timeout = TimeSpan.FromMinutes(2),
    };

}
