using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Access;

namespace Dts.Master.Api;

/// <summary><c>/healthz</c>: the process answers. <c>/readyz</c>: it can serve, that is, etcd answers and accepts writes.</summary>
internal static class Health
{
    public static void Map(IEndpointRouteBuilder routes, EtcdClient etcd, Keys keys)
    {
        routes.MapGet("/healthz", (RequestDelegate)(http => http.Response.WriteAsync("ok\n"))).AllowAnyone();
        routes.MapGet("/readyz", (RequestDelegate)(async http =>
        {
            try
            {
                await etcd.FindAsync(keys.Jobs, cancel: http.RequestAborted);
                var alarms = (await etcd.StatusAsync(http.RequestAborted)).Errors;
                http.Response.StatusCode = alarms.Count == 0 ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
                await http.Response.WriteAsync(alarms.Count == 0 ? "ready\n" : $"etcd: {Explain(alarms)}\n");
            }
            catch (EtcdException failure)
            {
                http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                await http.Response.WriteAsync($"etcd: {failure.Message}\n");
            }
        })).AllowAnyone();
    }

    private static string Explain(IEnumerable<string> alarms)
    {
        var all = string.Join("; ", alarms.Select(alarm => alarm.Trim()));
        return all.Contains("NOSPACE", StringComparison.Ordinal)
            ? $"it is out of space and accepts no writes ({all}); etcdctl compact REVISION, defrag each member, then alarm disarm"
            : $"it has raised an alarm: {all}";
    }
}
