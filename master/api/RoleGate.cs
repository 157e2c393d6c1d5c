using Dts.Master.Access;

namespace Dts.Master.Api;

/// <summary>Refuses callers whose role is below that of the route. A step between the guard and the handlers.</summary>
internal static class RoleGate
{
    public static Task CheckAsync(HttpContext http, RequestDelegate next)
    {
        // An endpoint of routing itself, such as the one for 405, is not ours.
        if (http.GetEndpoint() is not RouteEndpoint endpoint || endpoint.Metadata.GetMetadata<AllowsAnyone>() is not null)
        {
            return next(http);
        }

        var caller = Caller.Of(http);
        return endpoint.Metadata.GetMetadata<RequiredRole>() is { } required && caller.May(required.Role)
            ? next(http)
            : RequestGuard.RefuseAsync(http, 403, Explain(caller, endpoint.Metadata.GetMetadata<RequiredRole>()));
    }

    private static string Explain(Caller caller, RequiredRole? required) => required is null
        ? "this path states no role, so nobody may call it"
        : $"role of {caller.Name} is {caller.Role.Word()}; expected {required.Role.Word()} for this";
}
