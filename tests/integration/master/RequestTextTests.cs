using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Text in bodies, paths and queries that the master cannot read as it was meant is refused, not replaced.</summary>
/// <remarks>All tests here share one master; each test has its own jobs.</remarks>
public sealed class RequestTextTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private const string NotUtf8 = "body has bytes that are not UTF-8; expected text in UTF-8";
    private const string Form = "application/x-www-form-urlencoded";
    private const string Segment = "expected text in UTF-8, percent-encoded, without '/'";

    private readonly string _name = $"job-{Guid.NewGuid():N}";

    [Theory]
    [InlineData("PUT",   "/api/v1/jobs/{name}",     "application/json", """{"command":"echo ÿ","cronExpr":"* * * * *"}""")]
    [InlineData("PATCH", "/api/v1/jobs/{name}",     "application/merge-patch+json", """{"command":"echo ÿ"}""")]
    [InlineData("POST",  "/api/v1/jobs/{name}/run", "application/json", """{"env":{"A":"ÿ"}}""")]
    [InlineData("POST",  "/api/v1/import",          "text/plain",       "* * * * * echo ÿ")]
    [InlineData("POST",  "/api/v1/apply",           "application/yaml", "name: ÿ")]
    public async Task A_body_with_bytes_that_are_not_UTF_8_is_refused(string method, string path, string type, string body)
    {
        var (status, problem) = await SendAsync(method, path.Replace("{name}", _name), type, Encoding.Latin1.GetBytes(body));

        Assert.Equal((400, NotUtf8), (status, (string?)problem["detail"]));
        Assert.Empty(await master.Etcd.ListAsync(master.Keys.Jobs + _name));
    }

    [Theory]
    [InlineData("latin1",      415)]
    [InlineData("utf-16",      415)]
    [InlineData("iso-8859-15", 415)]
    [InlineData("utf-8",       201)]
    [InlineData("\"UTF-8\"",   201)]
    public async Task A_body_in_another_charset_than_UTF_8_is_refused(string charset, int expected)
    {
        var type = $"application/json; charset={charset}";
        var (status, problem) = await SendAsync(
            "PUT", $"/api/v1/jobs/{_name}", type, """{"command":"true","cronExpr":"* * * * *"}"""u8.ToArray());

        Assert.Equal(expected, status);
        if (status == 415)
        {
            Assert.Equal($"Content-Type is \"{type}\"; expected charset utf-8, or none", (string?)problem["detail"]);
        }
    }

    [Theory]
    [InlineData(Form, "job={\"name\":\"{name}\",\"command\":\"echo ÿ\",\"cronExpr\":\"* * * * *\"}", NotUtf8)]
    [InlineData(Form, "job=%7B\"name\":\"{name}\",\"command\":\"echo %ff\",\"cronExpr\":\"* * * * *\"}", NotUtf8)]
    [InlineData($"{Form}; charset=latin1", "job={\"name\":\"{name}\",\"command\":\"a\",\"cronExpr\":\"* * * * *\"}",
        $"Content-Type is \"{Form}; charset=latin1\"; expected charset utf-8, or none")]
    public async Task A_form_that_is_not_UTF_8_is_refused(string type, string form, string expected)
    {
        var (_, answer) = await SendAsync("POST", "/job/save", type, Encoding.Latin1.GetBytes(form.Replace("{name}", _name)));

        Assert.Equal((-1, expected), ((int)answer["errno"]!, (string?)answer["msg"]));
        Assert.Null(await master.Etcd.FindAsync(master.Keys.Jobs + _name));
    }

    [Theory]
    [InlineData("PUT",    "/api/v1/jobs/a%2Fb",         "name is \"a%2Fb\"; " + Segment,    "name")]
    [InlineData("PUT",    "/api/v1/jobs/a%2fb",         "name is \"a%2fb\"; " + Segment,    "name")]
    [InlineData("PUT",    "/api/v1/jobs/a%ff",          "name is \"a%ff\"; " + Segment,     "name")]
    [InlineData("PUT",    "/api/v1/jobs/50%",           "name is \"50%\"; " + Segment,      "name")]
    [InlineData("GET",    "/api/v1/jobs/a%zz/stats",    "name is \"a%zz\"; " + Segment,     "name")]
    [InlineData("GET",    "/api/v1/runs/x/a%2Fb",       "runId is \"a%2Fb\"; " + Segment,   "runId")]
    [InlineData("DELETE", "/api/v1/users/a%2Fb",        "name is \"a%2Fb\"; " + Segment,    "name")]
    [InlineData("GET",    "/api/v1/runs?filter=job:%ff", "filter is \"job:%ff\"; expected text in UTF-8, percent-encoded", "filter")]
    public async Task A_path_or_query_that_cannot_be_decoded_is_refused(string method, string path, string detail, string field)
    {
        var body = method == "PUT" ? """{"command":"true","cronExpr":"* * * * *"}"""u8.ToArray() : null;
        var (status, problem) = await SendAsync(method, path, "application/json", body);

        Assert.Equal((400, detail, field), (status, (string?)problem["detail"], (string?)problem["field"]));
    }

    [Fact]
    public async Task A_percent_sign_in_a_jobs_name_is_sent_encoded()
    {
        var (status, saved) = await SendAsync(
            "PUT", $"/api/v1/jobs/{_name}%252Fb", "application/json", """{"command":"true","cronExpr":"* * * * *"}"""u8.ToArray());

        Assert.Equal((201, $"{_name}%2Fb"), (status, (string?)saved["job"]!["name"]));
        Assert.NotNull(await master.Etcd.FindAsync(master.Keys.Job(JobName.Parse($"{_name}%2Fb"))));
        Assert.Equal(200, (await SendAsync("GET", $"/api/v1/jobs/{_name}%252Fb", "", null)).Status);
    }

    [Theory]
    [InlineData("""{"command":"a","cronExpr":"* * * * *","command":"b"}""", "member \"command\" comes twice; expected it once")]
    [InlineData("""{"command":"a","cronExpr":"* * * * *","env":{"it's":"1","it's":"2"}}""",
        "member \"it's\" comes twice; expected it once")]
    [InlineData("deep", "body has values within values more than 64 levels deep; expected at most 64")]
    public async Task A_member_that_comes_twice_and_a_body_that_is_too_deep_are_named(string body, string detail)
    {
        var sent = body == "deep" ? $$"""{"x":{{new string('[', 70)}}{{new string(']', 70)}}}""" : body;
        foreach (var (method, path) in new[] { ("PUT", $"/api/v1/jobs/{_name}"), ("POST", $"/api/v1/jobs/{_name}/run") })
        {
            var (status, problem) = await SendAsync(method, path, "application/json", Encoding.UTF8.GetBytes(sent));

            Assert.Equal((400, detail), (status, (string?)problem["detail"]));
        }
    }

    private async Task<(int Status, JsonNode Body)> SendAsync(string method, string path, string type, byte[]? body)
    {
        // Otherwise .NET's client corrects what the master must refuse.
        var exact = new Uri(
            $"{master.Http.BaseAddress!.GetLeftPart(UriPartial.Authority)}{path}",
            new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        using var request = new HttpRequestMessage(new HttpMethod(method), exact);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body) { Headers = { ContentType = MediaTypeHeaderValue.Parse(type) } };
        }

        using var answer = await master.Http.SendAsync(request);
        return ((int)answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!);
    }
}
