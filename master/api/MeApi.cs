using Dts.Master.Access;

namespace Dts.Master.Api;

/// <summary>Who the caller is.</summary>
internal sealed class MeApi
{
    public static void Map(RouteGroupBuilder v1) =>
        v1.MapGet("/me", (HttpContext http) => Me.Of(Caller.Of(http))).RequireRole(Role.Viewer)
            .WithSummary("Who the caller is, by which means that was shown, and what the caller may do");
}

/// <param name="Role">viewer, operator, editor or admin.</param>
/// <param name="Filter">The jobs that the caller may see and act on; empty = all.</param>
/// <param name="Via">person, token, proxy, apiToken, or loopback: this master knows neither tokens nor people.</param>
internal sealed record Me(string Name, string Role, string Filter, string Via)
{
    public static Me Of(Caller caller) => new(
        caller.Name,
        caller.Role.Word(),
        caller.Scope.Text,
        caller.Via switch
        {
            CallerVia.ApiToken => "apiToken",
            CallerVia.Token => "token",
            CallerVia.Person => "person",
            CallerVia.Proxy => "proxy",
            _ => "loopback",
        });
}
