using System.ComponentModel;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>The workers, from the view, and their drain: a key in etcd that the workers obey.</summary>
internal sealed class WorkersApi(ClusterView view, EtcdClient etcd, Keys keys, TimeProvider time)
{
    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/workers", () => new WorkerPage(view.Ask(WorkerRow.List)))
            .RequireRole(Role.Viewer).WithSummary("The live workers, and those that left less than a day ago");

        v1.MapPost("/workers/{id}/drain", async (
            [Description("The worker's id")] string id, HttpContext http, CancellationToken cancel) =>
        {
            ThrowIfLimited(Caller.Of(http));
            ThrowIfUnknown(id);
            await etcd.PutAsync(
                keys.Drain(id), $"by {Caller.Of(http).Name} at {Cursor.Text(time.GetUtcNow())}", cancel: cancel);
            return TypedResults.NoContent();
        }).RequireRole(Role.Operator).WithSummary("Drains a worker: it claims nothing new until it is undrained; its runs go on");

        v1.MapPost("/workers/{id}/undrain", async (
            [Description("The worker's id")] string id, HttpContext http, CancellationToken cancel) =>
        {
            ThrowIfLimited(Caller.Of(http));
            if (!WorkerRegistration.IsId(id) || (await etcd.DeleteAsync(keys.Drain(id), cancel)).Deleted == 0)
            {
                ThrowIfUnknown(id);
            }

            return TypedResults.NoContent();
        }).RequireRole(Role.Operator).WithSummary("Takes a drained worker back");
    }

    private static void ThrowIfLimited(Caller caller)
    {
        if (!caller.Scope.IsEverything)
        {
            throw new NotAllowedException(
                $"{caller.Name} may act on some jobs only; expected a caller without a filter, because a worker runs those of all");
        }
    }

    private void ThrowIfUnknown(string id)
    {
        if (view.Ask(state => WorkerRow.Find(state, id)) is null)
        {
            throw Refusal.NotFound($"there is no worker \"{Display.Line(id)}\"; GET /api/v1/workers lists them");
        }
    }
}
