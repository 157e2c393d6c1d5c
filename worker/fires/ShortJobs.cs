using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>The jobs whose last run here was short: a slot that such a run takes is likely to be free again soon.</summary>
internal sealed class ShortJobs
{
    private const int KnownMax = 100_000;

    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(500);

    private readonly HashSet<JobName> _jobs = [];

    /// <param name="ran">How long a run of the job took.</param>
    public void Ended(JobName name, TimeSpan ran)
    {
        if (ran < Short)
        {
            if (_jobs.Count >= KnownMax)
            {
                _jobs.Clear(); // Most of them may be deleted, and each next run shows its job again.
            }

            _jobs.Add(name);
        }
        else
        {
            _jobs.Remove(name);
        }
    }

    /// <summary>
    /// How many commands are likely to have ended in a little while: they have started since a moment, and their jobs are short.
    /// </summary>
    public int CountEndingSoon(IEnumerable<Fire> runs, DateTimeOffset since) => _jobs.Count == 0
        ? 0
        : runs.Count(fire => fire.State is FireState.Running running && running.StartedAt >= since && _jobs.Contains(fire.Name));
}
