using System.Net;
using System.Text;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master;
using Dts.Master.Access;
using Dts.Master.Api;
using Dts.Tests.Support;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class RequestGuardTests : IDisposable
{
    private const string Token = "0123456789abcdef";

    private readonly ManualTime _time = new();
    private readonly RecordedLog _log = new();
    private readonly RefusedTokens _refused;

    public RequestGuardTests() => _refused = new RefusedTokens(_time, _log);

    [Theory]
    // what is not a page
    [InlineData("POST", "127.0.0.1:8070",   null,                          null,           200)]
    // a name that leads to our loopback, but is not ours
    [InlineData("POST", "dts.example:8070", null,                          null,           403)]
    [InlineData("GET",  "dts.example:8070", null,                          null,           403)]
    // our own console
    [InlineData("POST", "127.0.0.1:8070",   "http://127.0.0.1:8070",       "same-origin",  200)]
    [InlineData("POST", "localhost:8070",   "http://localhost:8070",       null,           200)]
    [InlineData("POST", "[::1]:8070",       "http://[::1]:8070",           "same-origin",  200)]
    [InlineData("POST", "127.0.0.1:8070",   null,                          "none",         200)]
    // a page elsewhere
    [InlineData("POST", "127.0.0.1:8070",   "https://evil.example",        "cross-site",   403)]
    [InlineData("POST", "127.0.0.1:8070",   "https://evil.example",        null,           403)]
    [InlineData("POST", "127.0.0.1:8070",   null,                          "cross-site",   403)]
    [InlineData("POST", "127.0.0.1:8070",   null,                          "same-site",    403)]
    [InlineData("POST", "127.0.0.1:8070",   "null",                        null,           403)]
    [InlineData("PUT",  "127.0.0.1:8070",   "https://evil.example",        null,           403)]
    [InlineData("POST", "127.0.0.1:8070",   "http://127.0.0.1:9999",       null,           403)]
    [InlineData("POST", "127.0.0.1:8070",   "http://localhost:8070",       null,           403)]
    // its name leads to our address (DNS rebinding)
    [InlineData("POST", "evil.example:8070", "http://evil.example:8070",   "same-origin",  403)]
    [InlineData("POST", "evil.example:8070", "http://evil.example:8070",   null,           403)]
    [InlineData("POST", "127.0.0.1.evil.example:8070", "http://127.0.0.1.evil.example:8070", null, 403)]
    // what changes nothing
    [InlineData("GET",  "127.0.0.1:8070",   "https://evil.example",        "cross-site",   200)]
    [InlineData("HEAD", "127.0.0.1:8070",   "https://evil.example",        "cross-site",   200)]
    public async Task Without_a_token_no_page_but_our_own_may_change_jobs(
        string method, string host, string? origin, string? fetchSite, int status) =>
        Assert.Equal(status, (await AskAsync(Guard(), method, host, origin, fetchSite)).Status);

    [Theory]
    [InlineData("https://dts.example",   200)]
    [InlineData("HTTPS://DTS.EXAMPLE",   200)]
    [InlineData("https://other.example", 403)]
    [InlineData("http://dts.example",    403)]
    public async Task An_origin_that_is_allowed_may(string origin, int status) =>
        Assert.Equal(
            status,
            (await AskAsync(
                Guard("--allowedOrigins", "https://dts.example", "--apiToken", Token),
                "POST",
                "127.0.0.1:8070",
                origin,
                "cross-site",
                $"Bearer {Token}")).Status);

    [Theory]
    [InlineData("https://dts.example",   403)]
    [InlineData("http://localhost:3000", 200)]
    public async Task A_master_that_asks_nobody_refuses_an_allowed_origin_elsewhere(string origin, int status)
    {
        var settings = MasterSettings.Read(SettingsReader.Load(["--allowedOrigins", "https://dts.example,http://localhost:3000"], ""));
        var guard = GuardOf(settings);

        Assert.Equal(status, (await AskAsync(guard, "POST", "127.0.0.1:8070", origin, "cross-site")).Status);
    }

    [Theory]
    [InlineData("https://dts.example/",    "https://dts.example")]
    [InlineData("https://DTS.example:443", "https://dts.example")]
    [InlineData("http://[::1]:80",         "http://[::1]")]
    [InlineData("https://bücher.example",  "https://xn--bcher-kva.example")]
    public async Task An_allowed_origin_is_compared_as_browsers_send_it(string setting, string origin)
    {
        var guard = Guard("--allowedOrigins", setting, "--apiToken", Token);

        Assert.Equal(200, (await AskAsync(guard, "POST", "127.0.0.1:8070", origin, "cross-site", $"Bearer {Token}")).Status);
    }

    [Theory]
    [InlineData("https://dts.example/console")]
    [InlineData("dts.example")]
    [InlineData("*")]
    [InlineData("ftp://dts.example")]
    public void A_text_that_is_not_an_origin_is_refused_at_the_start(string setting)
    {
        var refusal = Assert.Throws<SettingsException>(() => Guard("--allowedOrigins", setting, "--apiToken", Token)).Message;

        Assert.StartsWith($"setting allowedOrigins: \"{setting}\" ", refusal);
        Assert.EndsWith("; expected web origins such as https://dts.example.com, without a path", refusal);
    }

    [Theory]
    [InlineData("https://dts.example")]
    [InlineData("http://localhost:3000,https://dts.example")]
    [InlineData("https://localhost.evil.example")]
    [InlineData("localhost:3000")]
    public void Without_a_token_only_loopback_sites_can_be_allowed(string origins)
    {
        Assert.StartsWith(
            "setting allowedOrigins: ",
            Assert.Throws<SettingsException>(() => Guard("--allowedOrigins", origins)).Message,
            StringComparison.Ordinal);
        Assert.NotNull(Guard("--allowedOrigins", "http://localhost:3000,http://127.0.0.1:3000,http://[::1]:3000"));
    }

    [Theory]
    [InlineData("X-Forwarded-For")]
    [InlineData("x-forwarded-proto")]
    [InlineData("X-Forwarded-Host")]
    [InlineData("Forwarded")]
    [InlineData("Via")]
    [InlineData("X-Real-IP")]
    public async Task Without_a_token_every_request_through_a_proxy_is_refused(string header)
    {
        foreach (var method in new[] { "GET", "POST" })
        {
            var (status, body) = await AskAsync(Guard(), method, "localhost", null, null, headers: [(header, "203.0.113.7")]);

            Assert.Equal(403, status);
            Assert.Contains($"(header {header}), and this master has no apiToken; set apiToken", body, StringComparison.Ordinal);
            Assert.Equal(
                200,
                (await AskAsync(
                    Guard("--apiToken", Token),
                    method,
                    "dts.example",
                    null,
                    null,
                    $"Bearer {Token}",
                    headers: [(header, "203.0.113.7")])).Status);
        }
    }

    [Theory]
    [InlineData(null,                                                    401)]
    [InlineData("Bearer 0123456789abcdef",                               200)]
    [InlineData("bearer 0123456789abcdef",                               200)]
    [InlineData("BASIC OjAxMjM0NTY3ODlhYmNkZWY=",                        200)]
    [InlineData("Bearer 0123456789abcdeF",                               401)]
    [InlineData("Bearer 0123456789abcdef0",                              401)]
    [InlineData("Bearer ",                                               401)]
    [InlineData("0123456789abcdef",                                      401)]
    [InlineData("Basic YW55Ym9keTowMTIzNDU2Nzg5YWJjZGVm",                200)] // anybody:0123456789abcdef
    [InlineData("Basic OjAxMjM0NTY3ODlhYmNkZWY=",                        200)] // :0123456789abcdef
    [InlineData("Basic MDEyMzQ1Njc4OWFiY2RlZg==",                        401)] // without a colon
    [InlineData("Basic YTpi",                                            401)] // a:b
    [InlineData("Basic !!!",                                             401)]
    [InlineData("Digest 0123456789abcdef",                               401)]
    public async Task With_a_token_only_its_holder_may_ask(string? authorization, int status)
    {
        var guard = Guard("--apiToken", Token);

        var answers = Task.WhenAll(
            AskAsync(guard, "GET", "dts.example", null, null, authorization),
            AskAsync(guard, "POST", "dts.example", null, null, authorization));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.All(await answers.Soon(), answer => Assert.Equal(status, answer.Status));
    }

    [Fact]
    public async Task A_wrong_password_of_any_length_is_refused()
    {
        var answer = AskAsync(Guard("--apiToken", Token), "GET", "h", null, null, $"Basic {Convert.ToBase64String(new byte[5000])}");
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(401, (await answer.Soon()).Status);
    }

    [Theory]
    [InlineData("https://dts.example", "dts.example", 200)] // its browser sends the password by itself
    [InlineData("https://evil.example", "dts.example", 403)]
    public async Task With_a_token_our_own_page_may_have_any_name_and_others_still_may_not(string origin, string host, int status) =>
        Assert.Equal(status, (await AskAsync(Guard("--apiToken", Token), "POST", host, origin, null, $"Bearer {Token}")).Status);

    [Fact]
    public async Task A_refusal_is_the_envelope_in_one_line()
    {
        var (_, refused) = await AskAsync(Guard(), "POST", "127.0.0.1:8070", "https://evil.example", null);
        var (_, unknown) = await AskAsync(Guard("--apiToken", Token), "GET", "h", null, null);

        Assert.Equal(
            """{"errno":-1,"msg":"origin \"https://evil.example\" may not change jobs; """
                + """if it is your console, add it to allowedOrigins","data":null}""",
            refused);
        Assert.Equal(
            """{"errno":-1,"msg":"not authorized; """
                + """expected a session, or a token: Authorization: Bearer <token>, or Basic with the token as password","data":null}""",
            unknown);
    }

    [Theory]
    [InlineData("cross-site")]
    [InlineData("same-site")]
    public async Task A_refused_page_without_an_origin_is_told_of_its_site(string site)
    {
        var (status, body) = await AskAsync(Guard("--apiToken", Token), "POST", "dts.example", null, site, $"Bearer {Token}");

        Assert.Equal(403, status);
        Assert.Contains($"Sec-Fetch-Site is \\\"{site}\\\"; expected same-origin: other sites' pages may not change jobs", body);
    }

    [Theory]
    [InlineData("/healthz")]
    [InlineData("/readyz")]
    public async Task Health_checks_need_no_token(string path) =>
        Assert.Equal(200, (await AskAsync(Guard("--apiToken", Token), "GET", "h", null, null, path: path)).Status);

    [Fact]
    public async Task Each_wrong_token_is_answered_later_and_a_right_one_at_once_from_any_address()
    {
        var guard = Guard("--apiToken", Token);
        foreach (var wait in new[] { 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5 })
        {
            var wrong = AskAsync(guard, "GET", "h", null, null, "Bearer wrong", peer: "203.0.113.7");
            _time.Advance(TimeSpan.FromSeconds(wait - 0.001));
            Assert.False(wrong.IsCompleted);
            Assert.Equal(200, (await AskAsync(guard, "GET", "h", null, null, $"Bearer {Token}", peer: "203.0.113.7")).Status);
            _time.Advance(TimeSpan.FromMilliseconds(1));
            Assert.Equal(401, (await wrong.Soon()).Status);
        }

        var other = AskAsync(guard, "GET", "h", null, null, "Bearer wrong", peer: "203.0.113.8");
        _time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal(401, (await other.Soon()).Status);
        // No token: a browser sends this request before it shows its dialog.
        Assert.Equal(401, (await AskAsync(guard, "GET", "h", null, null)).Status);
    }

    [Theory]
    [InlineData("127.0.0.1",    "10.9.9.9, 203.0.113.7", "203.0.113.7")] // nginx appends the address that it saw; the client sent the rest
    [InlineData("198.51.100.1", "203.0.113.7",           "198.51.100.1")]
    [InlineData("127.0.0.1",    "nonsense",              "127.0.0.1")]
    public async Task A_refused_token_is_logged_with_its_address(string peer, string forwardedFor, string address)
    {
        var refused = AskAsync(
            Guard("--apiToken", Token), "GET", "h", null, null, "Bearer wrong", peer: peer, headers: [("X-Forwarded-For", forwardedFor)]);
        _time.Advance(TimeSpan.FromSeconds(1));
        await refused.Soon();

        Assert.Contains(
            $"Warning[603] refused 1 requests with a wrong token, the latest from {address};",
            Assert.Single(_log.Lines),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refused_tokens_cause_at_most_one_line_a_second_and_each_is_counted()
    {
        var guard = Guard("--apiToken", Token);
        List<Task<(int Status, string Body)>> asked = [];
        for (var n = 0; n < 10; n++)
        {
            asked.AddRange(
                Enumerable.Range(0, 15).Select(_ => AskAsync(guard, "GET", "h", null, null, "Bearer wrong", peer: $"203.0.113.{n}")));
            _time.Advance(TimeSpan.FromMilliseconds(50));
        }

        Assert.Single(_log.Lines);
        _time.Advance(TimeSpan.FromMilliseconds(500)); // One second after the first.
        Assert.Collection(
            _log.Lines,
            first => Assert.Contains("refused 1 requests", first),
            rest => Assert.Contains("refused 149 requests with a wrong token, the latest from 203.0.113.9", rest));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.All(await Task.WhenAll(asked).Soon(), answer => Assert.Equal(401, answer.Status));
        Assert.Equal(2, _log.Lines.Count);
    }

    [Fact]
    public async Task The_number_of_waiting_requests_and_remembered_addresses_is_limited()
    {
        var guard = Guard("--apiToken", Token);
        var asked = Enumerable.Range(0, 3000)
            .Select(n => AskAsync(guard, "GET", "h", null, null, "Bearer wrong", peer: $"2001:db8:{n:x}::1")).ToList();

        Assert.Equal(RefusedTokens.AddressesMax, _refused.Addresses);
        Assert.Equal(200, asked.Count(task => !task.IsCompleted));
        Assert.Equal(200, (await AskAsync(guard, "GET", "h", null, null, $"Bearer {Token}")).Status);
        _time.Advance(TimeSpan.FromSeconds(5));
        var answers = await Task.WhenAll(asked).Soon();
        Assert.Equal((200, 2800), (answers.Count(answer => answer.Status == 401), answers.Count(answer => answer.Status == 429)));
    }

    public void Dispose() => _refused.Dispose();

    private RequestGuard GuardOf(MasterSettings settings)
    {
        var nobody = new AccessTable(new Keys(Keys.DefaultPrefix), TimeProvider.System);
        nobody.NoteListed();
        return new RequestGuard(() => settings.AllowedOrigins, _refused, new Credentials(settings, nobody), _ => { });
    }

    private RequestGuard Guard(params string[] arguments)
    {
        var reader = SettingsReader.Load(arguments, "");
        var settings = MasterSettings.Read(reader);
        settings.ThrowIfOpenToOthers(reader, hasRecords: false);
        return GuardOf(settings);
    }

    private static async Task<(int Status, string Body)> AskAsync(
        RequestGuard guard,
        string method,
        string host,
        string? origin,
        string? fetchSite,
        string? authorization = null,
        string path = "/job/save",
        string peer = "127.0.0.1",
        (string Name, string Value)[]? headers = null)
    {
        using var body = new MemoryStream();
        var http = new DefaultHttpContext
        {
            Request = { Method = method, Host = new HostString(host), Path = path },
            Response = { Body = body },
        };
        http.Request.Headers.Origin = origin;
        http.Request.Headers["Sec-Fetch-Site"] = fetchSite;
        http.Request.Headers.Authorization = authorization;
        http.Connection.RemoteIpAddress = IPAddress.Parse(peer);
        foreach (var (name, value) in headers ?? [])
        {
            http.Request.Headers[name] = value;
        }

        var passed = false;
        await guard.CheckAsync(http, _ =>
        {
            passed = true;
            return Task.CompletedTask;
        });

        Assert.Equal(passed, http.Response.StatusCode == 200);
        return (http.Response.StatusCode, Encoding.UTF8.GetString(body.ToArray()));
    }
}
