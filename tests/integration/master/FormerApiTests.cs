using System.Text.Json.Nodes;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>A client of an earlier version finds what it knows: paths, parameters, answers and their members.</summary>
public sealed class FormerApiTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private const int DepthMax = 6; // Schemas may contain themselves.

    public static TheoryData<string> Versions => [.. GoldenFiles.All.Select(golden => golden.Version)];

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Nothing_that_an_earlier_version_described_is_gone(string version)
    {
        var former = JsonNode.Parse(new GoldenFiles(version).OpenApi)!;
        var present = JsonNode.Parse(await master.Http.GetStringAsync("/openapi/v1.json"))!;

        var known = OperationsOf(former).Select(operation => operation.Key).ToHashSet();
        var demanded = NeedsOf(present).Where(need => known.Contains(need.Operation)).Except(NeedsOf(former));
        Assert.Equal("", string.Join('\n', LinesOf(former).Except(LinesOf(present))));
        Assert.Equal("", string.Join('\n', demanded));
    }

    /// <summary>A line for each parameter, status of an answer, and member of a body.</summary>
    private static IEnumerable<string> LinesOf(JsonNode document) =>
        from operation in OperationsOf(document)
        from line in ParametersOf(operation.Value).Select(parameter => $"parameter {parameter["in"]} {parameter["name"]}")
            .Concat(BodiesOf(document, operation.Value))
        select $"{operation.Key} {line}";

    private static IEnumerable<JsonNode> ParametersOf(JsonNode operation) =>
        operation["parameters"]?.AsArray().Select(parameter => parameter!) ?? [];

    private static IEnumerable<string> BodiesOf(JsonNode document, JsonNode operation)
    {
        foreach (var content in ContentsOf(operation["requestBody"]))
        {
            foreach (var member in MembersOf(document, content.Value!["schema"], 0))
            {
                yield return $"request {content.Key} {member}";
            }
        }

        foreach (var answer in operation["responses"]!.AsObject())
        {
            yield return $"answer {answer.Key}";
            foreach (var content in ContentsOf(answer.Value))
            {
                foreach (var member in MembersOf(document, content.Value!["schema"], 0))
                {
                    yield return $"answer {answer.Key} {content.Key} {member}";
                }
            }
        }
    }

    /// <summary>A line for each parameter and member of a request that must be given.</summary>
    private static IEnumerable<(string Operation, string What)> NeedsOf(JsonNode document)
    {
        foreach (var (key, operation) in OperationsOf(document))
        {
            foreach (var parameter in ParametersOf(operation))
            {
                if ((bool?)parameter["required"] == true)
                {
                    yield return (key, $"needs parameter {parameter["name"]}");
                }
            }

            foreach (var content in ContentsOf(operation["requestBody"]))
            {
                foreach (var member in Resolve(document, content.Value!["schema"])?["required"]?.AsArray() ?? [])
                {
                    yield return (key, $"needs member {member}");
                }
            }
        }
    }

    private static JsonObject ContentsOf(JsonNode? body) => body?["content"]?.AsObject() ?? [];

    private static IEnumerable<string> MembersOf(JsonNode document, JsonNode? schema, int depth)
    {
        if (Resolve(document, schema) is not JsonObject found || depth > DepthMax)
        {
            yield break;
        }

        foreach (var member in found["properties"]?.AsObject() ?? [])
        {
            yield return $".{member.Key}: {TypeOf(document, member.Value)}";
            foreach (var nested in MembersOf(document, member.Value, depth + 1))
            {
                yield return $".{member.Key}{nested}";
            }
        }

        foreach (var nested in MembersOf(document, found["items"], depth + 1))
        {
            yield return $"[]{nested}";
        }
    }

    private static string TypeOf(JsonNode document, JsonNode? schema) => Resolve(document, schema)?["type"] switch
    {
        JsonArray types => string.Join(' ', types.Select(type => (string)type!).Where(type => type != "null")),
        var type => $"{type}",
    };

    private static JsonNode? Resolve(JsonNode document, JsonNode? schema) => (string?)schema?["$ref"] is { } path
        ? path.Split('/').Skip(1).Aggregate(document, (node, part) => node[part]!)
        : (schema?["oneOf"] ?? schema?["anyOf"])?.AsArray().FirstOrDefault(choice => choice!["$ref"] is not null) is { } one
            ? Resolve(document, one)
            : schema;

    private static IEnumerable<KeyValuePair<string, JsonNode>> OperationsOf(JsonNode document) =>
        from path in document["paths"]!.AsObject()
        from operation in path.Value!.AsObject()
        select KeyValuePair.Create($"{operation.Key.ToUpperInvariant()} {path.Key}", operation.Value!);
}
