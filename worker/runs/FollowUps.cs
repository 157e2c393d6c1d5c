using Dts.Common.Jobs;

namespace Dts.Worker.Runs;

/// <summary>Decides the follow-ups of a run: a retry, a rerun, or the runs of the jobs that depend on it.</summary>
internal static class FollowUps
{
    private const int RerunsMax = 20; // A command that kills its worker each time must not be rerun for ever.

    /// <param name="worker">Where it ran.</param>
    /// <param name="chance">From 0 to below 1, for the jitter of a retry.</param>
    public static IReadOnlyList<(JobName Job, RunSpec Run)> After(
        JobName name, Job job, RunSpec run, RunStatus status, string worker, bool wasKilled, DateTimeOffset now, double chance)
    {
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
            _ when IsRepeat(run) => job.OnFailure.Concat(job.Always),
            _ => [],
        };
        return Dependents(name, run, next, now);
    }

    /// <summary>
    /// The follow-ups of a run that is given up before its start: none, unless it is a retry or a rerun. Then the failure before it counts.
    /// </summary>
    /// <param name="dependents">The jobs that run on failure, and always.</param>
    public static IReadOnlyList<(JobName Job, RunSpec Run)> AfterGivenUp(
        JobName name, RunSpec run, IReadOnlyList<string> dependents, DateTimeOffset now) =>
        IsRepeat(run) ? Dependents(name, run, dependents, now) : [];

    private static bool IsRepeat(RunSpec run) => run.Trigger is RunSpec.Retry or RunSpec.Rerun;

    private static List<(JobName Job, RunSpec Run)> Dependents(
        JobName name, RunSpec run, IEnumerable<string> dependents, DateTimeOffset now)
    {
        var cause = $"{name}/{run.Id}";
        var next = new RunSpec(run.PlanTime, RunSpec.Dependent, now, Origin: RunId.OriginAfter(cause), Cause: cause);
        return
        [
            .. dependents
                .Distinct()
                .Where(dependent => JobName.TryParse(dependent, out _, out _))
                .Select(dependent => (JobName.Parse(dependent), next)),
        ];
    }
}

/// <summary>How long to wait before a failed run is tried again.</summary>
internal static class RetryDelay
{
    private const double Jitter = 0.2;

    /// <summary>
    /// Exponential, capped, and spread by up to a fifth either way, so that runs that failed together are not repeated together.
    /// </summary>
    /// <param name="failures">How many attempts have failed, at least 1.</param>
    /// <param name="chance">From 0 to below 1.</param>
    public static TimeSpan After(int failures, Retry retry, double chance)
    {
        var seconds = Math.Min(retry.DelaySeconds * Math.Pow(retry.Backoff, failures - 1), retry.MaxDelaySeconds);
        return TimeSpan.FromSeconds(seconds * (1 - Jitter + (2 * Jitter * chance)));
    }
}
