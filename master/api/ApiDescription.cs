using System.Globalization;
using System.Text.Json.Nodes;
using Dts.Master.Access;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Dts.Master.Api;

/// <summary>The OpenAPI description of /api/v1: the parameters, body, answers and errors of each path, with an example.</summary>
internal static class ApiDescription
{
    private const string ExampleMember = "x-example";

    /// <summary>Descriptions of parameters that mean the same everywhere. A [Description] at the handler overrides them.</summary>
    private static readonly Dictionary<string, string> Parameters = new()
    {
        ["name"] = "The job's name",
        ["job"] = "The job's name",
        ["runId"] = "The run's id",
        ["filter"] = "Words that must all match, such as: state:failing label:team=pay -worker:w1 next:<1h text",
        ["sort"] = "The order of the list; with - before it the other way round",
        ["from"] = "From this moment on (RFC 3339)",
        ["to"] = "Before this moment (RFC 3339)",
        ["days"] = "How many days, up to today",
        ["limit"] = "How many at most",
        ["after"] = "The \"next\" of the page before",
        ["revision"] = "The revision of the version",
        ["dryRun"] = "true only checks, and changes nothing",
        ["lenient"] = "true keeps members that are not known",
    };

    /// <summary>Metadata of a GET that may answer 422.</summary>
    public static readonly ProducesResponseTypeMetadata Invalid =
        new(StatusCodes.Status422UnprocessableEntity, typeof(Problem), [Problem.ContentType]);

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
                    + "Send a token, or the setting apiToken, as Authorization: Bearer <token>.",
            };
            document.Servers = []; // The address that the client has used.
            DescribeAccess(document);
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(DescribeAsync);
    });

    /// <summary>How a client sends a token; a master that knows nobody needs none.</summary>
    private static void DescribeAccess(OpenApiDocument document)
    {
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            ["bearer"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "A token, or the setting apiToken",
            },
            ["basic"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http, Scheme = "basic", Description = "Any user, with a token or the apiToken as password",
            },
        };
        document.Security =
        [
            new OpenApiSecurityRequirement(),
            new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("bearer", document)] = [] },
            new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("basic", document)] = [] },
        ];
    }

    /// <summary>The group of all paths below /api/v1, and their description.</summary>
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

    /// <summary>Names an operation's errors, and adds its example from <see cref="ApiExamples"/>.</summary>
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

        AddHeaders(operation, context.Description.ActionDescriptor.EndpointMetadata);
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
            operation.RequestBody = await BodyOfAsync(example, body, context, cancel);
        }

        operation.Extensions ??= new Dictionary<string, IOpenApiExtension>();
        operation.Extensions[ExampleMember] = new JsonNodeExtension(shown);
    }

    /// <summary>The body of an operation: in the example's media type, or in another one with the same content.</summary>
    private static async Task<OpenApiRequestBody> BodyOfAsync(
        ApiExample example, string body, OpenApiOperationTransformerContext context, CancellationToken cancel)
    {
        var schema = example.Schema is { } type ? await context.GetOrCreateSchemaAsync(type, null, cancel) : Text();
        if (example.IsPart)
        {
            schema.Required = null; // A merge patch has only the changed members; in a PUT, the path has the name.
        }

        var content = new Dictionary<string, OpenApiMediaType>
        {
            [example.Type] = new()
            {
                Example = example.Type.EndsWith("json", StringComparison.Ordinal) ? JsonNode.Parse(body) : body,
                Schema = schema,
            },
        };
        foreach (var other in example.OtherTypes ?? [])
        {
            content[other] = new OpenApiMediaType { Schema = Text() };
        }

        return new OpenApiRequestBody { Content = content, Required = example.NeedsBody };

        static OpenApiSchema Text() => new() { Type = JsonSchemaType.String };
    }

    private static void AddHeaders(OpenApiOperation operation, IList<object> metadata)
    {
        foreach (var header in metadata.OfType<RequestHeader>())
        {
            operation.Parameters ??= [];
            operation.Parameters.Add(new OpenApiParameter
            {
                Name = header.Name,
                In = ParameterLocation.Header,
                Description = header.Description,
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                Example = header.Example,
            });
        }

        foreach (var header in metadata.OfType<ResponseHeader>())
        {
            foreach (var status in header.Statuses.Select(code => code.ToString(CultureInfo.InvariantCulture)))
            {
                if (operation.Responses?.GetValueOrDefault(status) is OpenApiResponse response)
                {
                    response.Headers ??= new Dictionary<string, IOpenApiHeader>();
                    response.Headers[header.Name] = new OpenApiHeader
                    {
                        Description = header.Description, Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                    };
                }
            }
        }
    }
}
