using System.Reflection;
using System.Runtime.CompilerServices;
using Dts.Master.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>The routes below /api/v1 as the master's own types map them.</summary>
internal static class MappedRoutes
{
    /// <summary>Such as <c>GET /jobs/{name}</c>.</summary>
    public static IEnumerable<string> List() =>
        from endpoint in Endpoints()
        from method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? []
        select $"{method} {endpoint.RoutePattern.RawText!["/api/v1".Length..]}";

    /// <remarks>Each type with a Map of the group takes part, so a new one cannot be forgotten; their handlers are not called.</remarks>
    public static IReadOnlyList<RouteEndpoint> Endpoints()
    {
        var builder = WebApplication.CreateSlimBuilder();
        ApiDescription.AddTo(builder.Services);
        var app = builder.Build();
        var v1 = ApiDescription.MapV1(app);
        var maps = typeof(ApiDescription).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance))
            .Where(method => method.Name == "Map")
            .Where(method => method.GetParameters() is [{ } only] && only.ParameterType == typeof(RouteGroupBuilder))
            .ToList();
        Assert.NotEmpty(maps);
        foreach (var map in maps)
        {
            map.Invoke(RuntimeHelpers.GetUninitializedObject(map.DeclaringType!), [v1]);
        }

        return
        [
            .. ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints)
                .OfType<RouteEndpoint>()
                .Where(endpoint => !endpoint.RoutePattern.RawText!.EndsWith("openapi.json", StringComparison.Ordinal))
                .Where(endpoint => endpoint.RoutePattern.RawText!.StartsWith("/api/v1", StringComparison.Ordinal)),
        ];
    }
}
