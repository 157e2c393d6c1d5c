using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Every error below /api/ has its status and says what is wrong as problem details (RFC 9457).</summary>
public sealed class ProblemTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    [Theory]
    // what cannot be read
    [InlineData("GET",    "/api/v1/runs?limit=x",      400, "limit is \"x\"; expected a whole number from 0 to 1000", "limit")]
    [InlineData("GET",    "/api/v1/runs?after=x",      400, "after is \"x\"; expected the \"next\" of the page before", "after")]
    [InlineData("GET",    "/api/v1/runs?counts=day&to=0001-01-10", 400, "to is 0001-01-10T00:00:00Z; "
        + "expected a time from 1970-01-01T00:00:00Z to 2099-12-31T23:59:59Z", "to")]
    [InlineData("GET",    "/api/v1/now?filtr=x",       400, "parameter \"filtr\" is not known here; expected none", "filtr")]
    [InlineData("DELETE", "/api/v1/jobs/x?kill=yes",   400, "kill is \"yes\"; expected true or false",                "kill")]
    [InlineData("POST",   "/api/v1/jobs/a%1Bb/run",    400, "name \"a?b\" has a hidden character; expected printable text", "name")]
    [InlineData("POST",   "/api/v1/jobs/x/kill?runId=", 400, "runId is \"\"; expected a run's id",                   "runId")]
    [InlineData("POST",   "/api/v1/jobs/delete?filter=job:x&dryRun=", 400, "dryRun is \"\"; expected true or false", "dryRun")]
    [InlineData("DELETE", "/api/v1/alerts/mutes/nope", 404, "there is no mute \"nope\"",                           null)]
    [InlineData("POST",   "/api/v1/jobs/x/kill?runId=a/b", 400, "runId is \"a/b\"; expected a run's id",              "runId")]
    [InlineData("GET",    "/api/v1/runs/x/y/output?follow=1",  400, "follow is \"1\"; expected true or false", "follow")]
    [InlineData("GET",    "/api/v1/runs/x/y/output?offset=-1", 400, "offset is not a whole number of bytes; expected 0 or more", "offset")]
    // what is not there
    [InlineData("GET",    "/api/v1/nothing",           404, "path /api/v1/nothing is not known; "
        + "expected one that /api/v1/openapi.json lists", null)]
    [InlineData("GET",    "/api/",                     404, "path /api/ is not known; expected one that /api/v1/openapi.json lists", null)]
    [InlineData("GET",    "/api/v1/jobs/x/stats",      404, "name \"x\" is not a job; expected a saved one", "name")]
    [InlineData("DELETE", "/api/v1/jobs/x",            404, "name \"x\" is not a job; expected a saved one", "name")]
    [InlineData("POST",   "/api/v1/jobs/x/run",        404, "name \"x\" is not a job; expected a saved one", "name")]
    [InlineData("POST",   "/api/v1/jobs/x/pause",      404, "name \"x\" is not a job; expected a saved one", "name")]
    [InlineData("GET",    "/api/v1/runs/x/y",          404, "run y of job x is not known: "
        + "neither in flight, nor queued, nor in the log", null)]
    // the wrong method
    [InlineData("PUT",    "/api/v1/jobs/x/run",        405, "method PUT is not for this path; expected POST", null)]
    public async Task An_error_has_its_status_and_one_line_that_says_why(
        string method, string path, int status, string detail, string? field)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        var problem = await ProblemOfAsync(request, status);

        Assert.Equal((detail, field), ((string?)problem["detail"], (string?)problem["field"]));
    }

    [Fact]
    public async Task A_long_name_is_cut_in_the_answer()
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"/api/v1/jobs/{new string('x', 190)}");

        var problem = await ProblemOfAsync(request, 404);

        Assert.Equal($"name \"{new string('x', 60)}…\" is not a job; expected a saved one", (string?)problem["detail"]);
    }

    [Fact]
    public async Task A_body_of_another_type_is_refused()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs/x/run");
        request.Content = new StringContent("""{"worker":"w1"}""", Encoding.UTF8, "application/x-www-form-urlencoded");

        var problem = await ProblemOfAsync(request, 415);

        Assert.Equal(
            "Content-Type is \"application/x-www-form-urlencoded; charset=utf-8\"; expected application/json", (string?)problem["detail"]);
    }

    [Fact]
    public async Task A_refused_caller_gets_a_problem_below_api_and_the_envelope_elsewhere()
    {
        using var below = Foreign("/api/v1/jobs/x/run");
        Assert.StartsWith("origin \"https://evil.example\" may not", (string?)(await ProblemOfAsync(below, 403))["detail"]);

        using var original = await master.Http.SendAsync(Foreign("/job/kill"));
        Assert.StartsWith("""{"errno":-1,"msg":"origin """, await original.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        static HttpRequestMessage Foreign(string path) => new(HttpMethod.Post, path) { Headers = { { "Origin", "https://evil.example" } } };
    }

    [Fact]
    public async Task Without_etcd_the_answer_is_503_and_says_so()
    {
        await using var alone = new MasterProcess();
        await alone.InitializeAsync();
        await alone.Server.StopAsync();

        using var answer = await alone.Http.GetAsync("/api/v1/jobs/backup");
        var problem = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal("urn:dts:etcd-unavailable", (string?)problem["type"]);
        Assert.Null(problem["field"]);
        Assert.Matches("^etcd: .*; nothing may have changed, try again$", (string?)problem["detail"]);
    }

    private async Task<JsonNode> ProblemOfAsync(HttpRequestMessage request, int status)
    {
        using var answer = await master.Http.SendAsync(request);
        var problem = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.ToString());
        Assert.Equal((status, status), ((int)answer.StatusCode, (int)problem["status"]!));
        Assert.StartsWith("urn:dts:", (string?)problem["type"]);
        Assert.NotEqual("", (string?)problem["title"]);
        return problem;
    }
}
