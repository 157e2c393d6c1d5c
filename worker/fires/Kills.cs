using Dts.Common.Jobs;
using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>Ends runs of this worker before their time, whether they have started or not.</summary>
internal sealed class Kills(FireContext context, Starts starts, FiresInFlight inFlight, Cancellations cancellations)
{
    public static string WhyKilled(string reason) => $"killed before it started: {reason}";

    /// <summary>Cancels runs that were claimed before a revision and have not started.</summary>
    /// <param name="runId">Empty = all runs of the job.</param>
    public void Cancel(JobName name, string runId, long revision, string why)
    {
        cancellations.Add(name, runId, revision, why, context.Now);
        foreach (var fire in inFlight.OfJob(name).ToList())
        {
            if (fire.State is FireState.Claimed or FireState.Ready
                && cancellations.FindWhy(((FireState.OfRun)fire.State).Run, context.Now) is { } cancelled)
            {
                starts.GiveUp(fire, RunStatus.Cancelled, cancelled);
            }
        }
    }

    public void Kill(JobName name, KillRequest request, long revision)
    {
        Cancel(name, request.RunId, revision, WhyKilled(request.Reason));
        Kill(name, run => run.FencingToken < revision && request.Covers(run.Id), request.Reason, revision);
    }

    /// <summary>Ends the runs of a job that another fire of the job replaces.</summary>
    public void Replace(JobName name, string reason)
    {
        foreach (var fire in inFlight.OfJob(name).Where(fire => fire.State is FireState.Claimed or FireState.Ready).ToList())
        {
            starts.GiveUp(fire, RunStatus.Cancelled, WhyKilled(reason));
        }

        Kill(name, _ => true, reason, revision: 0);
    }

    private void Kill(JobName name, Func<Run, bool> isMeant, string reason, long revision)
    {
        foreach (var fire in inFlight.OfJob(name))
        {
            if (fire.State is FireState.OfRun { Run: var run } && isMeant(run))
            {
                var kill = new FireAction.Kill(run, reason, revision);
                fire.State = fire.State is FireState.Starting starting ? starting with { Kill = kill } : fire.State;
                context.Do(kill);
            }
        }
    }
}
