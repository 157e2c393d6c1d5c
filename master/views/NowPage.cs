using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Views;

/// <summary>The state of the cluster now: the jobs that need attention, the runs in flight, the next plan times.</summary>
/// <param name="AsOf">The time up to which etcd has been followed; earlier than <paramref name="At"/> while etcd is away.</param>
/// <param name="NeedsYou">Jobs that need attention, the worst first; at most 100. <c>counts.needsYou</c> has their number.</param>
/// <param name="Running">Runs in flight, the oldest first; at most 100.</param>
/// <param name="Next">The next plan time of each job that has one within the hour; at most 100.</param>
/// <param name="Workers">Workers that have left or claim nothing.</param>
internal sealed record NowPage(
    DateTime At,
    DateTime AsOf,
    NowCounts Counts,
    IReadOnlyList<NeedyJob> NeedsYou,
    IReadOnlyList<RunningRow> Running,
    IReadOnlyList<ComingFire> Next,
    IReadOnlyList<WorkerRow> Workers)
{
    private const int RowsMax = 100;
    private const int SlowFactor = 3;
    private const long SlowAtLeastMs = 10_000; // A run that usually takes milliseconds may take a second once.

    private static readonly TimeSpan Ahead = TimeSpan.FromHours(1);

    /// <param name="cutOff">The time since changes in etcd stopped coming.</param>
    /// <param name="sees">The jobs that the caller may see; null = all. Everybody sees the workers.</param>
    /// <param name="isMuted">A mute of alerts covers a job: it needs nobody. Null = none does.</param>
    public static NowPage Of(
        ClusterState state,
        DateTimeOffset now,
        TimeSpan cutOff = default,
        Predicate<JobEntry>? sees = null,
        Predicate<JobEntry>? isMuted = null)
    {
        var jobs = sees is null ? state.Jobs.Sorted : [.. state.Jobs.Sorted.Where(job => sees(job))];
        var running = (sees is null ? state.Runs.Jobs : jobs.Select(job => job.Name)).SelectMany(state.Runs.InFlightOf).ToList();
        var slow = SlowestByJob(running, state, now);
        var (needy, coming) = (new List<(JobEntry Job, string Reason)>(), new List<(JobEntry Job, long At)>());
        var states = new int[Enum.GetValues<JobState>().Length];
        var muted = 0;
        var (from, until) = (now.ToUnixTimeSeconds(), (now + Ahead).ToUnixTimeSeconds());
        foreach (var job in jobs)
        {
            var jobState = state.StateOf(job);
            states[(int)jobState]++;
            var reason = jobState == JobState.Broken ? NeedyJob.Broken
                : jobState == JobState.Failing ? ReasonOf(job)
                : slow.ContainsKey(job.Name) ? NeedyJob.TooSlow
                : null;
            if (reason is not null && isMuted?.Invoke(job) == true)
            {
                muted++;
            }
            else if (reason is not null)
            {
                needy.Add((job, reason));
            }

            if (job.NextAfter(from) is { } next && next < until)
            {
                coming.Add((job, next));
            }
        }

        var workers = WorkerRow.List(state);
        return new NowPage(
            now.UtcDateTime,
            (now - cutOff).UtcDateTime,
            new NowCounts(
                Jobs: jobs.Count,
                NeedsYou: needy.Count,
                Failing: states[(int)JobState.Failing],
                Broken: states[(int)JobState.Broken],
                Paused: states[(int)JobState.Paused],
                Unknown: states[(int)JobState.Unknown],
                Muted: muted,
                Running: running.Count,
                Queued: sees is null ? state.Runs.QueuedCount : jobs.Sum(job => state.Runs.CountQueued(job.Name)),
                Workers: workers.Count(worker => worker.State != WorkerRow.Left),
                Slots: workers.Where(worker => worker.State == WorkerRow.Live).Sum(worker => worker.Slots)),
            [.. needy.OrderBy(job => NeedyJob.RankOf(job.Reason)).ThenByDescending(job => job.Job.LastStart).Take(RowsMax)
                .Select(job => new NeedyJob(job.Reason, slow.GetValueOrDefault(job.Job.Name), JobRow.Of(job.Job, state, now)))],
            [.. running.OrderBy(run => run.ClaimedAt).Take(RowsMax).Select(run => RunningRow.Of(run, state))],
            [.. coming.OrderBy(fire => fire.At).Take(RowsMax)
                .Select(fire => new ComingFire(fire.Job.Name, DateTimeOffset.FromUnixTimeSeconds(fire.At).UtcDateTime))],
            [.. workers.Where(worker => worker.State is WorkerRow.Refusing or WorkerRow.Left)]);
    }

    /// <summary>For each job with a run far beyond its usual duration: the longest of these.</summary>
    private static Dictionary<string, RunningRow> SlowestByJob(List<UnendedRun> running, ClusterState state, DateTimeOffset now) =>
        running.Select(run => RunningRow.Of(run, state))
            .Where(run => run.UsualMs is { } usual
                && (now.UtcDateTime - run.StartedAt).TotalMilliseconds > Math.Max(SlowFactor * usual, SlowAtLeastMs))
            .GroupBy(run => run.JobName)
            .ToDictionary(runs => runs.Key, runs => runs.MinBy(run => run.StartedAt)!);

    private static string ReasonOf(JobEntry job) =>
        job.Endings.Unpack().Last(ending => !ending.IsNeutral).Status.Word();
}

/// <param name="Unknown">Jobs whose endings this master has not read yet.</param>
/// <param name="Muted">Jobs that would need attention, but a mute of alerts covers them.</param>
/// <param name="Slots">How many runs the claiming workers can have at a time.</param>
internal sealed record NowCounts(
    int Jobs, int NeedsYou, int Failing, int Broken, int Paused, int Unknown, int Muted, int Running, int Queued, int Workers, int Slots);

/// <summary>A job that needs attention.</summary>
/// <param name="Reason">
/// Its latest ending (<c>failed</c>, <c>timedOut</c>, <c>lost</c>, <c>missed</c>); <c>slow</c>: it runs for over three times its usual
/// duration; <c>broken</c>: no worker can run it.
/// </param>
/// <param name="Slow">The run that takes so long; null = none does.</param>
internal sealed record NeedyJob(string Reason, RunningRow? Slow, JobRow Job)
{
    public const string Broken = "broken";
    public const string TooSlow = "slow";

    private static readonly string[] WorstFirst =
        [RunStatus.Lost.Word(), RunStatus.Failed.Word(), RunStatus.TimedOut.Word(), RunStatus.Missed.Word(), Broken, TooSlow];

    public static int RankOf(string reason) => Array.IndexOf(WorstFirst, reason);
}

/// <summary>A run in flight.</summary>
/// <param name="StartedAt">Its plan time, or its claim if that was later.</param>
/// <param name="UsualMs">The usual duration of its job; null = not known.</param>
internal sealed record RunningRow(
    string JobName, string RunId, string Worker, string Trigger, int Attempt, DateTime PlanTime, DateTime StartedAt, long? UsualMs,
    bool IsKillAsked)
{
    public static RunningRow Of(UnendedRun run, ClusterState state)
    {
        var claimed = run.ClaimedAt ?? run.PlanTime;
        var started = claimed > run.NotBefore ? claimed : run.NotBefore;
        var usual = state.Jobs.Find(run.JobName) is { } job ? JobEntry.UsualOf(job.Endings.Unpack()) : null;
        return new RunningRow(
            run.JobName, run.RunId, run.ClaimedBy, run.Trigger, run.Attempt, run.PlanTime.UtcDateTime, started.UtcDateTime, usual,
            run.IsKillAsked);
    }
}

/// <summary>The next plan time of a job.</summary>
internal sealed record ComingFire(string JobName, DateTime PlanTime);
