using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Dts.Master.Access;
using Dts.Master.Api;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>The description of the API is true and complete.</summary>
public sealed class OpenApiTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private static readonly string[] Errors = ["400", "401", "403", "429", "503"];

    [Fact]
    public async Task It_is_served_at_two_paths_and_lists_exactly_the_routes_that_are_mapped()
    {
        var document = await ReadAsync();
        var operations = OperationsOf(document).Select(operation => operation.Key).Order();

        var mapped = MappedRoutes.List();

        Assert.Equal(mapped.Order(), operations);
        Assert.Equal(ApiExamples.All.Keys.Order(), operations); // A new operation needs an example there.
        Assert.Equal(
            document.ToJsonString(), JsonNode.Parse(await master.Http.GetStringAsync("/api/v1/openapi.json"))!.ToJsonString());
    }

    [Fact]
    public async Task Each_operation_has_a_summary_an_answer_its_errors_and_a_description_of_each_parameter()
    {
        foreach (var (key, operation) in OperationsOf(await ReadAsync()))
        {
            var responses = operation["responses"]!.AsObject();
            Assert.True(operation["summary"] is not null, $"{key} has no summary; add WithSummary");
            Assert.True(responses.Any(response => response.Key.StartsWith('2')), $"{key} has no answer: {responses.ToJsonString()}");
            Assert.True(Errors.All(responses.ContainsKey), $"{key} lacks errors: {responses.ToJsonString()}");
            Assert.All(
                operation["parameters"]?.AsArray() ?? [],
                parameter => Assert.True(
                    parameter!["description"] is not null, $"{key}: parameter {parameter["name"]} has no [Description]"));
        }
    }

    [Fact]
    public async Task Each_example_is_answered_as_it_says()
    {
        await SendAsync(HttpMethod.Put, "/api/v1/jobs/hello", """{"command":"echo hello","cronExpr":"* * * * *"}""");
        // Examples add people, and a master that knows people asks who calls.
        var token = await new AccessStore(master.Etcd, master.Keys, TimeProvider.System)
            .AddTokenAsync("tests", Role.Admin, "", null, "tests", CancellationToken.None);
        master.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        await master.LogStore.WriteAsync([Some.Record(0)], CancellationToken.None);
        var operations = OperationsOf(await ReadAsync()).ToDictionary();

        foreach (var (key, expected) in ApiExamples.All)
        {
            var example = operations[key]["x-example"]!;
            var (status, body, headers) = await SendAsync(
                new HttpMethod(key.Split(' ')[0]),
                (string)example["path"]!,
                (string?)example["body"],
                (string?)example["contentType"] ?? "application/json");

            Assert.True(status == expected.Status, $"{key} {example["path"]}: {status}, expected {expected.Status}: {body}");
            Assert.True(operations[key]["responses"]![$"{status}"] is not null, $"{key} does not list its answer {status}");
            Assert.Equal(
                HeadersOf(operations[key], $"{status}").Except(["Idempotency-Replayed"]).Order(),
                headers.Intersect(["ETag", "Location", "DTS-Output-Bytes", "DTS-Output-Cut"]).Order());
        }
    }

    [Theory]
    [InlineData("GET /jobs/{name}",             "If-None-Match", "200 ETag", "304 ETag")]
    [InlineData("PUT /jobs/{name}",             "If-Match, If-None-Match", "200 ETag", "201 ETag, Location", "412 ")]
    [InlineData("PATCH /jobs/{name}",           "If-Match, If-None-Match", "200 ETag", "412 ")]
    [InlineData("DELETE /jobs/{name}",          "If-Match, If-None-Match", "200 ", "412 ")]
    [InlineData("POST /jobs/{name}/pause",      "If-Match, If-None-Match", "200 ETag", "412 ")]
    [InlineData("POST /jobs/{name}/run",        "Idempotency-Key", "202 Location, Idempotency-Replayed")]
    [InlineData("POST /jobs/run",               "Idempotency-Key", "200 ")]
    [InlineData("GET /runs/{job}/{runId}/output", "Last-Event-ID", "200 DTS-Output-Bytes, DTS-Output-Cut")]
    [InlineData("POST /jobs/{name}/versions/{revision}/restore", "If-Match, If-None-Match", "200 ETag", "412 ")]
    [InlineData("GET /schedule/preview",        "", "422 ")]
    [InlineData("GET /jobs/{name}/versions/{revision}/diff", "", "422 ")]
    public async Task Headers_and_the_answers_that_they_lead_to_are_described(string key, string request, params string[] responses)
    {
        var operation = OperationsOf(await ReadAsync()).ToDictionary()[key];

        Assert.Equal(request, string.Join(", ", ListOf(operation["parameters"])
            .Where(parameter => (string?)parameter["in"] == "header").Select(parameter => (string?)parameter["name"])));
        Assert.All(responses, expected => Assert.Equal(
            expected,
            $"{expected[..3]} {string.Join(", ", HeadersOf(operation, expected[..3]))}"));
    }

    [Theory]
    [InlineData("PUT /jobs/{name}",       "application/json",             true,  "command cronExpr", "")]
    [InlineData("PATCH /jobs/{name}",     "application/merge-patch+json", true,  "command cronExpr", "")]
    [InlineData("POST /jobs/{name}/run",  "application/json",             false, "worker env", "")]
    [InlineData("POST /jobs/run",         "application/json",             false, "worker env", "")]
    [InlineData("POST /jobs/{name}/kill", "application/json",             false, "reason runId", "")]
    [InlineData("POST /runs/{job}/{runId}/kill", "application/json",      false, "reason runId", "")]
    public async Task A_body_has_its_members_described(string key, string type, bool isRequired, string members, string required)
    {
        var document = await ReadAsync();
        var body = OperationsOf(document).ToDictionary()[key]["requestBody"]!;
        var schema = Resolve(document, body["content"]![type]!["schema"]!);

        Assert.Equal(isRequired, (bool?)body["required"] ?? false);
        Assert.Subset(schema["properties"]!.AsObject().Select(member => member.Key).ToHashSet(), members.Split(' ').ToHashSet());
        Assert.Equal(required, string.Join(' ', ListOf(schema["required"])));
    }

    [Fact]
    public async Task A_set_of_jobs_is_an_array_or_a_text_and_a_crontab_a_text()
    {
        var document = await ReadAsync();
        var operations = OperationsOf(document).ToDictionary();
        var set = operations["POST /apply"]["requestBody"]!["content"]!;
        var job = Resolve(document, Resolve(document, set["application/json"]!["schema"]!)["items"]!);

        Assert.Contains("command", job["properties"]!.AsObject().Select(member => member.Key));
        Assert.Equal("string", (string?)set["application/yaml"]!["schema"]!["type"]);
        Assert.Equal("string", (string?)operations["POST /import"]["requestBody"]!["content"]!["text/plain"]!["schema"]!["type"]);
    }

    [Fact]
    public async Task It_says_how_a_client_shows_its_token()
    {
        var document = await ReadAsync();

        Assert.Equal(
            ["bearer: http bearer", "basic: http basic"],
            document["components"]!["securitySchemes"]!.AsObject().Select(scheme =>
                $"{scheme.Key}: {scheme.Value!["type"]} {scheme.Value["scheme"]}"));
        Assert.Equal("""[{},{"bearer":[]},{"basic":[]}]""", document["security"]!.ToJsonString());
    }

    private static JsonNode Resolve(JsonNode document, JsonNode schema) => (string?)schema["$ref"] is { } path
        ? path.Split('/').Skip(1).Aggregate(document, (node, part) => node[part]!)
        : schema;

    private static IEnumerable<JsonNode> ListOf(JsonNode? list) => list?.AsArray().Select(item => item!) ?? [];

    private static IEnumerable<string> HeadersOf(JsonNode operation, string status) =>
        operation["responses"]![status]!["headers"]?.AsObject().Select(header => header.Key) ?? [];

    private static IEnumerable<KeyValuePair<string, JsonNode>> OperationsOf(JsonNode document) =>
        from path in document["paths"]!.AsObject()
        from operation in path.Value!.AsObject()
        where path.Key.StartsWith("/api/v1/", StringComparison.Ordinal)
        select KeyValuePair.Create($"{operation.Key.ToUpperInvariant()} {path.Key["/api/v1".Length..]}", operation.Value!);

    private async Task<JsonNode> ReadAsync() => JsonNode.Parse(await master.Http.GetStringAsync("/openapi/v1.json"))!;

    private async Task<(int Status, string Body, IEnumerable<string> Headers)> SendAsync(
        HttpMethod method, string path, string? body, string type = "application/json")
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue(type));
        using var answer = await master.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var said = answer.Content.Headers.ContentType?.MediaType == "text/event-stream"
            ? "a stream, which does not end"
            : await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, said, [.. answer.Headers.Select(header => header.Key)]);
    }
}
