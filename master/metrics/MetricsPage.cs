using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Metrics;
using Dts.Master.Access;
using Dts.Master.Views;

namespace Dts.Master.Metrics;

/// <summary><c>/metrics</c>: the cluster as this master's view has it, and this master's own measurements.</summary>
internal sealed class MetricsPage(ClusterView view, FigureTable figures)
{
    public void Map(IEndpointRouteBuilder routes) => routes.MapGet("/metrics", (RequestDelegate)AnswerAsync).RequireRole(Role.Viewer);

    internal string Write()
    {
        List<Family> cluster = [];
        try
        {
            cluster = view.Ask(state => ClusterFigures.Of(state).ToList());
        }
        catch (EtcdException)
        {
            // The view is too old, or not read yet; dts_view_up says so.
        }

        Family[] own =
        [
            new("dts_view_up", FamilyKind.Gauge, "1 = this master follows etcd, and shows what it knows of the cluster.",
                [new Sample([], cluster.Count > 0 ? 1 : 0)]),
            new("dts_master_info", FamilyKind.Gauge, "1, with the master's version.",
                [new Sample([new Label("version", Service.Version)], 1)]),
        ];
        return PrometheusText.Write([.. cluster, .. own, .. figures.Read()]);
    }

    private Task AnswerAsync(HttpContext http)
    {
        http.Response.ContentType = PrometheusText.ContentType;
        http.Response.Headers.CacheControl = "no-store";
        return http.Response.WriteAsync(Write());
    }
}
