using System.Globalization;
using Dts.Common.Jobs;
using Dts.Master.Events;
using Dts.Master.Views;

namespace Dts.Master.Alerts;

/// <summary>Finds what is wrong by the clock: slow runs, jobs without a success, workers that are gone.</summary>
/// <remarks>
/// Without I/O. Its caller holds the view's lock. The clock only opens alerts; facts close them. If the clock closed them, masters whose
/// clocks differ would open and close the same alert again and again.
/// </remarks>
internal sealed class AlertCheck
{
    private const int SlowRunsMin = 5;
    private const long SlowAtLeastMs = 10_000; // One of a few milliseconds may once take a second.

    private static readonly TimeSpan WorkerIsOpenFor = TimeSpan.FromDays(1); // Then nobody expects it back.
    private static readonly TimeSpan WorkerIsAwaitedFor = TimeSpan.FromMinutes(1); // A restart takes a few seconds.
    private static readonly AlertEvent[] OfJobs = [AlertEvent.Slow, AlertEvent.NoSuccess];
    private static readonly AlertEvent[] OfWorkers = [AlertEvent.WorkerGone];

    private readonly Dictionary<string, DateTimeOffset> _gone = []; // Workers that had left when this master started.

    /// <summary>Remembers the workers that were there before this master started: some may have left since.</summary>
    public void Begin(AlertProgress? progress)
    {
        foreach (var worker in progress?.Workers ?? [])
        {
            _gone[worker] = progress!.At;
        }
    }

    /// <summary>The worker of this alert left so long ago that no master would open the alert again.</summary>
    public static bool IsForgotten(OpenAlert gone, DateTimeOffset now) =>
        gone.Since + WorkerIsOpenFor + MasterClocks.MayBeAheadBy < now;

    public IReadOnlyList<CheckResult> Find(
        ClusterState state,
        IReadOnlyList<NamedRule> rules,
        IReadOnlyList<KeyValuePair<AlertSubject, AlertState>> states,
        bool withJobs,
        DateTimeOffset now)
    {
        List<CheckResult> results = [];
        var open = states.Where(known => known.Value.Open.Count > 0).ToDictionary();
        var jobs = new JobCheck(state, open, now);
        foreach (var rule in rules.Where(rule => rule.Rule.Enabled))
        {
            if (rule.Rule.On.Contains(AlertEvent.WorkerGone))
            {
                results.AddRange(FindWorkers(state, rule, now));
            }

            if (rule.Rule.On.Any(OfJobs.Contains))
            {
                results.AddRange(state.Jobs.Sorted.Select(job => jobs.Find(job, rule)).OfType<CheckResult>());
            }
        }

        if (withJobs)
        {
            var alerting = state.Jobs.Sorted.Where(job => job.Alert is not null);
            results.AddRange(alerting.Select(job => jobs.Find(job, null)).OfType<CheckResult>());
        }

        var found = results.Select(result => result.Watched.Subject).ToHashSet();
        results.AddRange(open.Where(one => !found.Contains(one.Key) && one.Value.Open.Values.Any(about => !about.IsTold))
            .Select(one => FindUntold(state, rules, one.Key)).OfType<CheckResult>());
        return results;
    }

    /// <summary>An alert that waits for the end of a mute; null = its rule or job is gone.</summary>
    private static CheckResult? FindUntold(ClusterState state, IReadOnlyList<NamedRule> rules, AlertSubject subject)
    {
        var job = state.Jobs.Find(subject.JobName);
        var about = EventSubject.Of(job, subject.Worker);
        var rule = rules.FirstOrDefault(rule => rule.Name == subject.Rule);
        return (rule?.Terms ?? (subject.Rule == AlertKeys.OfJob ? job?.Alert : null)) is { } terms
            ? new CheckResult(
                new Watched(subject, terms, rule?.Rule.Text ?? "", about), new Dictionary<AlertEvent, OpenAlert>(), [])
            : null;
    }

    private IEnumerable<CheckResult> FindWorkers(ClusterState state, NamedRule rule, DateTimeOffset now)
    {
        var workers = state.Workers.All.ToDictionary(worker => worker.Id, worker => worker.LeftAt);
        foreach (var (id, seen) in _gone.ToList())
        {
            if (seen + WorkerIsOpenFor < now || !workers.TryAdd(id, seen))
            {
                _gone.Remove(id);
            }
        }

        foreach (var (id, leftAt) in workers)
        {
            var about = EventSubject.Of(null, id);
            if (rule.Watch(AlertSubject.ForWorker(rule.Name, id), about) is { } watched)
            {
                var found = new Dictionary<AlertEvent, OpenAlert>();
                if (leftAt is { } since && since + WorkerIsAwaitedFor < now)
                {
                    found[AlertEvent.WorkerGone] = new OpenAlert(
                        since, $"left at {since.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC and has not come back");
                }

                yield return new CheckResult(watched, found, leftAt is null ? OfWorkers : []);
            }
        }
    }

    /// <summary>Checks jobs at one moment.</summary>
    private sealed class JobCheck(ClusterState state, Dictionary<AlertSubject, AlertState> open, DateTimeOffset now)
    {
        /// <summary>What is wrong with a job; null = nothing can be, or the rule does not watch it.</summary>
        /// <param name="rule">Null = the job's own alert.</param>
        public CheckResult? Find(JobEntry job, NamedRule? rule)
        {
            if (job.Endings.IsUnknown)
            {
                return null; // This master has just started.
            }

            var (terms, subject) = (rule?.Terms ?? job.Alert!, AlertSubject.ForJob(rule?.Name ?? AlertKeys.OfJob, job.Name));
            var mayBeSlow = terms.On.Contains(AlertEvent.Slow) && state.Runs.CountInFlight(job.Name) > 0;
            var mayLackSuccess = terms.On.Contains(AlertEvent.NoSuccess) && job.IsEnabled && job.HasRuns
                && !(job.LastStatus == RunStatus.Succeeded && IsWithin(job.LastEnd, terms.NoSuccessSeconds));
            if (!mayBeSlow && !mayLackSuccess && !open.ContainsKey(subject))
            {
                return null;
            }

            var about = EventSubject.Of(job); // Filters are slow, so they come last.
            if ((rule is null ? Watched.ByItself(job, about) : rule.Watch(subject, about)) is not { } watched)
            {
                return null;
            }

            var (endings, found) = (job.Endings.Unpack(), new Dictionary<AlertEvent, OpenAlert>());
            if (mayBeSlow && FindSlow(job, terms, endings) is { } slow)
            {
                found[AlertEvent.Slow] = slow;
            }

            if (mayLackSuccess && FindLackOfSuccess(job, terms, endings) is { } lack)
            {
                found[AlertEvent.NoSuccess] = lack;
            }

            return new CheckResult(
                watched, found, FindOver(job, terms, endings, (open.GetValueOrDefault(subject) ?? AlertState.Well).Open));
        }

        /// <summary>The open kinds that have ended, and those whose threshold has been raised since they were opened.</summary>
        private List<AlertEvent> FindOver(
            JobEntry job, JobAlert terms, List<Ending> endings, IReadOnlyDictionary<AlertEvent, OpenAlert> known)
        {
            List<AlertEvent> over = [];
            if (known.GetValueOrDefault(AlertEvent.Slow) is { } slow
                && (terms.SlowFactor > slow.Threshold || state.Runs.InFlightOf(job.Name).All(run => run.RunId != slow.RunId)))
            {
                over.Add(AlertEvent.Slow);
            }

            if (known.GetValueOrDefault(AlertEvent.NoSuccess) is { } lack
                && (terms.NoSuccessSeconds > lack.Threshold || !job.IsEnabled || !job.HasRuns
                    || EndOfLatestSuccess(endings) > lack.Since.ToUnixTimeMilliseconds()))
            {
                over.Add(AlertEvent.NoSuccess);
            }

            return over;
        }

        private OpenAlert? FindSlow(JobEntry job, JobAlert terms, List<Ending> endings)
        {
            List<long> durations =
                [.. endings.Where(ending => ending.Status == RunStatus.Succeeded).Select(ending => ending.DurationMs ?? 0).Order()];
            if (durations.Count < SlowRunsMin)
            {
                return null;
            }

            var p95 = durations[(int)Math.Ceiling(durations.Count * 0.95) - 1];
            var slowest = state.Runs.InFlightOf(job.Name).Select(run => RunningRow.Of(run, state)).MinBy(run => run.StartedAt);
            return slowest is not null
                && (now.UtcDateTime - slowest.StartedAt).TotalMilliseconds > Math.Max(terms.SlowFactor * p95, SlowAtLeastMs)
                    ? new OpenAlert(
                        slowest.StartedAt,
                        string.Create(
                            CultureInfo.InvariantCulture,
                            $"runs for more than {terms.SlowFactor:0.#} times the {p95 / 1000.0:0.#} s that 95 of 100 runs took"),
                        slowest.RunId,
                        Threshold: terms.SlowFactor)
                    : null;
        }

        private OpenAlert? FindLackOfSuccess(JobEntry job, JobAlert terms, List<Ending> endings)
        {
            var since = EndOfLatestSuccess(endings) ?? job.LacksSuccessSince * 1000;
            var moment = DateTimeOffset.FromUnixTimeMilliseconds(since);
            return IsWithin(since, terms.NoSuccessSeconds)
                ? null
                : new OpenAlert(
                    moment,
                    $"no run has succeeded since {moment.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC",
                    Threshold: terms.NoSuccessSeconds);
        }

        /// <summary>In milliseconds since the epoch; null = none of the known endings is a success.</summary>
        private static long? EndOfLatestSuccess(List<Ending> endings) =>
            endings.FindLastIndex(ending => ending.Status == RunStatus.Succeeded) is >= 0 and var latest
                ? (endings[latest].StartedAt * 1000) + (endings[latest].DurationMs ?? 0)
                : null;

        private bool IsWithin(long milliseconds, int seconds) => milliseconds > now.ToUnixTimeMilliseconds() - (seconds * 1000L);
    }

    /// <param name="Found">What is wrong now.</param>
    /// <param name="Over">The kinds to close if they are open and not found.</param>
    internal sealed record CheckResult(
        Watched Watched, IReadOnlyDictionary<AlertEvent, OpenAlert> Found, IReadOnlyList<AlertEvent> Over);
}
