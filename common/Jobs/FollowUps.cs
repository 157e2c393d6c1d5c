using System.Security.Cryptography;
using System.Text;
using Dts.Common.Logs;

namespace Dts.Common.Jobs;

/// <summary>What follows from the end of a run: a retry, a rerun, or the runs of the jobs that depend on it.</summary>
public static class FollowUps
{
    private const int RerunsMax = 20; // A command that takes its worker down each time is not passed around for ever.

    /// <param name="worker">Where it ran.</param>
    /// <param name="chance">From 0 to below 1, for the jitter of a retry.</param>
    public static IReadOnlyList<(JobName Job, RunSpec Run)> After(
        Job job, RunSpec run, RunStatus status, string worker, bool wasKilled, DateTimeOffset now, double chance)
    {
        var name = JobName.Parse(job.Name);
        if (status is RunStatus.Failed or RunStatus.TimedOut && run.Attempt <= job.Retry.Max)
        {
            var delay = RetryDelay.After(run.Attempt, job.Retry, chance);
            return [(name, run.Again(RunSpec.Retry, now + delay, job.Retry.Elsewhere ? worker : ""))];
        }

        if (status == RunStatus.Lost && job.OnWorkerLost == OnWorkerLost.Rerun && !wasKilled && run.Attempt <= RerunsMax)
        {
            return [(name, run.Again(RunSpec.Rerun, now))];
        }

        var next = status switch
        {
            RunStatus.Succeeded => job.Then.Concat(job.Always),
            RunStatus.Failed or RunStatus.TimedOut or RunStatus.Lost => job.OnFailure.Concat(job.Always),
            RunStatus.Killed => job.Always,
            _ => [],
        };
        var origin = "after-" + Digest($"{job.Name}/{run.Id}");
        return [.. next.Distinct().Select(dependent => (JobName.Parse(dependent), new RunSpec(run.PlanTime, RunSpec.Dependent, now, Origin: origin)))];
    }

    /// <summary>The same for the same cause, so that one cause makes one run, however often it is dealt with.</summary>
    private static string Digest(string cause) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(cause)).AsSpan(0, 6));
}
