using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Dts.Worker.Runs;

namespace Dts.Tests.Simulation;

/// <summary>
/// What a worker has heard of cancellations: it must not start a run that it knows to be cancelled, and cancel no other.
/// </summary>
/// <remarks>A cancellation covers the runs that were claimed before it.</remarks>
internal sealed class SimCancels(SimCluster cluster, SimHost host)
{
    private const string Stopping = "the worker was told to stop";

    private readonly Dictionary<(JobName Name, string RunId), long> _heard = [];

    public void Hear(FireEvent happened)
    {
        switch (happened)
        {
            case FireEvent.JobPut(var name, { IsPaused: true } plan, _):
                Add(name, "", plan.Revision);
                break;
            case FireEvent.JobGone(var name, var revision, _):
                Add(name, "", revision);
                break;
            case FireEvent.KillRequested(var name, var request, var revision):
                Add(name, request.RunId, revision);
                break;
            case FireEvent.EtcdReplaced:
                _heard.Clear();
                break;
        }
    }

    public void CheckStart(Run run)
    {
        if (IsCancelled(run))
        {
            cluster.Faults.Add($"{run.Key} starts on {host.Id}, which had heard that it is cancelled");
        }
    }

    public void CheckEnd(Run run, RunStatus status, string why)
    {
        var isReplaced = run.Job is { Mode: JobMode.All, Overlap: Overlap.Replace }
            && why.Contains("replaced by", StringComparison.Ordinal);
        if (status == RunStatus.Cancelled && !IsCancelled(run) && !isReplaced && !why.StartsWith(Stopping, StringComparison.Ordinal))
        {
            cluster.Faults.Add($"{run.Key} does not start on {host.Id} ({why}), and nobody has cancelled it");
        }
    }

    private void Add(JobName name, string runId, long revision) =>
        _heard[(name, runId)] = Math.Max(revision, _heard.GetValueOrDefault((name, runId)));

    private bool IsCancelled(Run run) =>
        run.FencingToken < Math.Max(_heard.GetValueOrDefault((run.Name, "")), _heard.GetValueOrDefault((run.Name, run.Id)));
}
