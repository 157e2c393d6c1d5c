using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Api;

/// <summary>The workers.</summary>
internal sealed class WorkersApi(WorkerList workers)
{
    public void Map(RouteGroupBuilder v1) =>
        v1.MapGet("/workers", async (CancellationToken cancel) =>
            new WorkersView([.. (await workers.ListAsync(cancel)).Select(worker => WorkerView.Of(worker.Key, worker.Value))]))
            .WithSummary("The live workers");
}

internal sealed record WorkersView(IReadOnlyList<WorkerView> Workers);

/// <summary>A worker's registration, with its id.</summary>
internal sealed record WorkerView(
    string Id,
    string Host,
    string Address,
    string Version,
    ProcessIdentity Process,
    int Slots,
    DateTimeOffset Started,
    IReadOnlyDictionary<string, string> Labels,
    DateTimeOffset Clock,
    string Refuses)
{
    public static WorkerView Of(string id, WorkerRegistration its) => new(
        id, its.Host, its.Address, its.Version, its.Process, its.Slots, its.Started, its.Labels, its.Clock, its.Refuses);
}
