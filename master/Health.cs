using Dts.Common;
using Dts.Common.Etcd;

namespace Dts.Master;

/// <summary><c>/healthz</c>: the process answers. <c>/readyz</c>: it can serve, that is, etcd answers.</summary>
internal static class Health
{
    public static void Map(IEndpointRouteBuilder routes, EtcdClient etcd, Keys keys)
    {
        routes.MapGet("/healthz", (RequestDelegate)(http => http.Response.WriteAsync("ok\n")));
        routes.MapGet("/readyz", (RequestDelegate)(async http =>
        {
            try
            {
                await etcd.FindAsync(keys.Jobs, cancel: http.RequestAborted);
                await http.Response.WriteAsync("ready\n");
            }
            catch (EtcdException failure)
            {
                http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                await http.Response.WriteAsync($"etcd: {failure.Message}\n");
            }
        }));
    }
}
