using Dts.Worker.Fires;

namespace Dts.Tests.Simulation;

/// <summary>Asks etcd what <see cref="Fires"/> wants to know, as <see cref="FireRequests"/> does.</summary>
internal sealed class SimRequests(SimWorker worker)
{
    public void Ask(FireRequest request) => worker.Link.Txn(
        worker,
        request.Txn,
        answer => worker.Take(new FireEvent.Answered(request, request.Read(answer))),
        failure => worker.Take(new FireEvent.Answered(request, [.. request.Fires.Select(_ => request.Read(failure.Error))])),
        request.IsRepeatable);
}
