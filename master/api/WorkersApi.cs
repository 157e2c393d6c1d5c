using Dts.Master.Access;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>The workers, from the view.</summary>
internal sealed class WorkersApi(ClusterView view)
{
    public void Map(RouteGroupBuilder v1) =>
        v1.MapGet("/workers", () => new WorkerPage(view.Ask(WorkerRow.List)))
            .RequireRole(Role.Viewer).WithSummary("The live workers, and those that left less than a day ago");
}
