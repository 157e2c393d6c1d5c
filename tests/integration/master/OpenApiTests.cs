using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
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

        var mapped = Directory.EnumerateFiles(Tool.InRepository("../master"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(file => Regex.Matches(File.ReadAllText(file), @"\bv1\.Map(Get|Put|Patch|Post|Delete)\(\s*""(/[^""]*)"""))
            .Select(route => $"{route.Groups[1].Value.ToUpperInvariant()} {route.Groups[2].Value}");

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
            var (status, body) = await SendAsync(
                new HttpMethod(key.Split(' ')[0]),
                (string)example["path"]!,
                (string?)example["body"],
                (string?)example["contentType"] ?? "application/json");

            Assert.True(status == expected.Status, $"{key} {example["path"]}: {status}, expected {expected.Status}: {body}");
            Assert.True(operations[key]["responses"]![$"{status}"] is not null, $"{key} does not list its answer {status}");
        }
    }

    private static IEnumerable<KeyValuePair<string, JsonNode>> OperationsOf(JsonNode document) =>
        from path in document["paths"]!.AsObject()
        from operation in path.Value!.AsObject()
        where path.Key.StartsWith("/api/v1/", StringComparison.Ordinal)
        select KeyValuePair.Create($"{operation.Key.ToUpperInvariant()} {path.Key["/api/v1".Length..]}", operation.Value!);

    private async Task<JsonNode> ReadAsync() => JsonNode.Parse(await master.Http.GetStringAsync("/openapi/v1.json"))!;

    private async Task<(int Status, string Body)> SendAsync(
        HttpMethod method, string path, string? body, string type = "application/json")
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue(type));
        using var answer = await master.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return answer.Content.Headers.ContentType?.MediaType == "text/event-stream"
            ? ((int)answer.StatusCode, "a stream, which does not end")
            : ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
