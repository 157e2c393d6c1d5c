namespace Dts.Master.Access;

/// <summary>Metadata of an endpoint: the least role that may call it. An endpoint without it is refused to all.</summary>
internal sealed record RequiredRole(Role Role);

/// <summary>Metadata of an endpoint that needs no credentials, such as a health check.</summary>
internal sealed class AllowsAnyone;

internal static class RequiredRoles
{
    public static TBuilder RequireRole<TBuilder>(this TBuilder endpoint, Role role)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new RequiredRole(role));

    public static TBuilder AllowAnyone<TBuilder>(this TBuilder endpoint)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new AllowsAnyone());
}
