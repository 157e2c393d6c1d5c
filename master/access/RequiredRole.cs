namespace Dts.Master.Access;

/// <summary>Metadata of an endpoint: the least role that may call it. One without is refused.</summary>
internal sealed record RequiredRole(Role Role);

/// <summary>Metadata of an endpoint that needs no credentials, such as a health check.</summary>
internal sealed class NeedsNoCaller;

internal static class RequiredRoles
{
    public static TBuilder RequireRole<TBuilder>(this TBuilder endpoint, Role role)
        where TBuilder : IEndpointConventionBuilder
    {
        endpoint.Add(built => built.Metadata.Add(new RequiredRole(role)));
        return endpoint;
    }

    public static TBuilder AllowAnyone<TBuilder>(this TBuilder endpoint)
        where TBuilder : IEndpointConventionBuilder
    {
        endpoint.Add(built => built.Metadata.Add(new NeedsNoCaller()));
        return endpoint;
    }
}
