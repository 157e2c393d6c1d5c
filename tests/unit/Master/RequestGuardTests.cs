using System.Text;
using Dts.Common.Hosting;
using Dts.Master;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class RequestGuardTests
{
    private const string Token = "0123456789abcdef";

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
    public async Task Without_a_token_no_page_but_our_own_may_change_jobs(string method, string host, string? origin, string? fetchSite, int status) =>
        Assert.Equal(status, (await AskAsync(Guard(), method, host, origin, fetchSite)).Status);

    [Theory]
    [InlineData("https://dts.example",   200)]
    [InlineData("HTTPS://DTS.EXAMPLE",   200)]
    [InlineData("https://other.example", 403)]
    [InlineData("http://dts.example",    403)]
    public async Task An_origin_that_is_allowed_may(string origin, int status) =>
        Assert.Equal(status, (await AskAsync(Guard("--allowedOrigins", "https://dts.example"), "POST", "127.0.0.1:8070", origin, "cross-site")).Status);

    [Theory]
    [InlineData(null,                                                    401)]
    [InlineData("Bearer 0123456789abcdef",                               200)]
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

        Assert.Equal(status, (await AskAsync(guard, "GET", "dts.example", null, null, authorization)).Status);
        Assert.Equal(status, (await AskAsync(guard, "POST", "dts.example", null, null, authorization)).Status);
    }

    [Fact]
    public async Task A_password_of_any_length_is_only_wrong() =>
        Assert.Equal(401, (await AskAsync(Guard("--apiToken", Token), "GET", "h", null, null, $"Basic {Convert.ToBase64String(new byte[5000])}")).Status);

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

        Assert.Equal("""{"errno":-1,"msg":"origin \"https://evil.example\" may not change jobs; if it is your console, add it to allowedOrigins","data":null}""", refused);
        Assert.Equal("""{"errno":-1,"msg":"not authorized; expected Authorization: Bearer <apiToken>, or Basic with the apiToken as password","data":null}""", unknown);
    }

    [Theory]
    [InlineData("/healthz")]
    [InlineData("/readyz")]
    public async Task Health_checks_need_no_token(string path) =>
        Assert.Equal(200, (await AskAsync(Guard("--apiToken", Token), "GET", "h", null, null, path: path)).Status);

    private static RequestGuard Guard(params string[] arguments)
    {
        var settings = MasterSettings.Read(SettingsReader.Load(arguments, ""));
        return new RequestGuard(settings, () => settings.AllowedOrigins);
    }

    private static async Task<(int Status, string Body)> AskAsync(
        RequestGuard guard, string method, string host, string? origin, string? fetchSite, string? authorization = null, string path = "/job/save")
    {
        using var body = new MemoryStream();
        var http = new DefaultHttpContext { Request = { Method = method, Host = new HostString(host), Path = path }, Response = { Body = body } };
        http.Request.Headers.Origin = origin;
        http.Request.Headers["Sec-Fetch-Site"] = fetchSite;
        http.Request.Headers.Authorization = authorization;
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
