using System.Text.Json.Nodes;
using Dts.Master.Access;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Dts.Master.Api;

/// <summary>The description of /api/v1 for programs (OpenAPI): what each path takes and answers, its errors, an example.</summary>
internal static class ApiDescription
{
    private const string ExampleMember = "x-example";

    /// <summary>Parameters that mean the same wherever they appear. A [Description] at the handler goes before.</summary>
    private static readonly Dictionary<string, string> Parameters = new()
    {
        ["name"] = "The job's name",
        ["job"] = "The job's name",
        ["runId"] = "The run's id",
        ["worker"] = "The worker's id",
        ["status"] = "How the run ended",
        ["trigger"] = "What triggered the run: schedule, manual, retry, rerun, dependent or misfire",
        ["text"] = "A part of the command or the error, in any case of its letters",
        ["filter"] = "What is listed, such as: state:failing label:team=pay -worker:w1 next:<1h text",
        ["sort"] = "What the list is sorted by; with - before it the other way round",
        ["from"] = "From this moment on (RFC 3339)",
        ["to"] = "Before this moment (RFC 3339)",
        ["days"] = "How many days, up to today",
        ["limit"] = "How many at most",
        ["after"] = "The next of the page before",
        ["revision"] = "A revision of the job",
        ["dryRun"] = "true checks and answers, and changes nothing",
    };

    private static readonly int[] AlwaysPossible = [400, 401, 403, 429, 503];
    private static readonly int[] OfChanges = [409, 413, 415, 422];

    public static void AddTo(IServiceCollection services) => services.AddOpenApi(options =>
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "DTS",
                Version = "v1",
                Description = "The distributed crontab: jobs, runs, schedules, workers. Errors are problem details (RFC 9457). "
                    + "With the setting apiToken, send it as Authorization: Bearer <token>.",
            };
            document.Servers = []; // The address that the client has asked.
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(DescribeAsync);
    });

    /// <summary>The group of all paths below /api/v1, and the description of what is mapped in it.</summary>
    public static RouteGroupBuilder MapV1(WebApplication app)
    {
        app.MapOpenApi("/openapi/v1.json").RequireRole(Role.Viewer);
        app.MapOpenApi("/api/v1/openapi.json").RequireRole(Role.Viewer);
        var v1 = app.MapGroup("/api/v1");
        ((IEndpointConventionBuilder)v1).Add(endpoint =>
        {
            var methods = endpoint.Metadata.OfType<IHttpMethodMetadata>().SelectMany(metadata => metadata.HttpMethods).ToList();
            var hasPlace = endpoint is RouteEndpointBuilder { RoutePattern.Parameters.Count: > 0 };
            foreach (var status in AlwaysPossible.Concat(hasPlace ? [404] : []).Concat(methods.Contains("GET") ? [] : OfChanges))
            {
                endpoint.Metadata.Add(new ProducesResponseTypeMetadata(status, typeof(Problem), [Problem.ContentType]));
            }
        });
        return v1;
    }

    /// <summary>Names an operation's errors, and adds the example that <see cref="ApiExamples"/> has of it.</summary>
    private static async Task DescribeAsync(
        OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancel)
    {
        foreach (var (status, response) in operation.Responses ?? [])
        {
            if (int.TryParse(status, out var code) && Problem.Kinds.TryGetValue(code, out var kind))
            {
                response.Description = kind.Title;
            }
        }

        foreach (var parameter in operation.Parameters ?? [])
        {
            parameter.Description ??= Parameters.GetValueOrDefault(parameter.Name ?? "");
        }

        var key = $"{context.Description.HttpMethod} /{context.Description.RelativePath?.Split('?')[0]}";
        if (!ApiExamples.All.TryGetValue(key.Replace(" /api/v1", " ", StringComparison.Ordinal), out var example))
        {
            return;
        }

        var shown = new JsonObject { ["path"] = example.Path, ["status"] = example.Status };
        if (example.Body is { } body)
        {
            shown["body"] = body;
            shown["contentType"] = example.Type;
            operation.RequestBody = new OpenApiRequestBody
            {
                Content = new Dictionary<string, OpenApiMediaType>
                {
                    [example.Type] = new()
                    {
                        Example = example.Type.EndsWith("json", StringComparison.Ordinal) ? JsonNode.Parse(body) : body,
                        Schema = example.Schema is { } type ? await context.GetOrCreateSchemaAsync(type, null, cancel) : null,
                    },
                },
            };
        }

        operation.Extensions ??= new Dictionary<string, IOpenApiExtension>();
        operation.Extensions[ExampleMember] = new JsonNodeExtension(shown);
    }
}
