using System.Net;
using System.Text.Json;
using Dts.Common.Jobs;
using Dts.Master.Versions;
using Dts.Master.Views;

namespace Dts.Master.Access;

/// <summary>Who makes a request, and what they may do. A feature of each request that has passed the guard.</summary>
/// <param name="Name">Of a person or a token; <c>token</c> for the holder of the apiToken, <c>local</c> without one on loopback.</param>
/// <param name="Scope">The jobs that the caller may see and act on.</param>
/// <param name="Address">The client's; behind a proxy on this host, the address that the proxy saw.</param>
internal sealed record Caller(string Name, Role Role, Scope Scope, IPAddress Address, CallerVia Via)
{
    /// <summary>The caller of a request that has not passed the guard. May do nothing.</summary>
    public static Caller Nobody { get; } = new("unknown", Role.Viewer, Scope.Nothing, IPAddress.None, CallerVia.Loopback);

    public Author Author => ReferenceEquals(this, Nobody) ? Author.Unknown : new(Name, $"{Address}");

    /// <summary>A viewer does not see the values of environment variables.</summary>
    public bool SeesEnv => Role >= Role.Operator;

    /// <summary>The holder of the setting apiToken.</summary>
    public static Caller OfApiToken(IPAddress address) =>
        new(Author.Token, Role.Admin, Scope.Everything, address, CallerVia.ApiToken);

    /// <summary>Anyone on this host, if the master needs no credentials.</summary>
    public static Caller OfLoopback(IPAddress address) =>
        new(Author.Local, Role.Admin, Scope.Everything, address, CallerVia.Loopback);

    public static Caller Of(HttpContext? http) => http?.Features.Get<Caller>() ?? Nobody;

    public bool May(Role role) => Role >= role;

    public bool MaySee(Job job) => Scope.Includes(job);

    public bool MaySee(JobEntry job) => Scope.Includes(job);
}

/// <summary>How a caller was identified.</summary>
internal enum CallerVia
{
    /// <summary>Not at all: the request came from the master's own host, and the master needs no credentials.</summary>
    Loopback,

    /// <summary>By the setting apiToken.</summary>
    ApiToken,

    Token,

    Person,

    /// <summary>By a sign-in proxy at a trusted address.</summary>
    Proxy,
}

internal static class CallerVias
{
    public static string Word(this CallerVia via) => JsonNamingPolicy.CamelCase.ConvertName($"{via}");
}
