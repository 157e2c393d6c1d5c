using System.Globalization;
using Dts.Common.Jobs;
using Dts.Master.Events;
using Dts.Master.Views;

namespace Dts.Master.Alerts;

/// <summary>Finds in the view what is wrong by the clock: slow runs, jobs without a success, workers that are gone.</summary>
/// <remarks>Without I/O. Its caller holds the view's lock.</remarks>
internal sealed class AlertLook
{
    public static readonly TimeSpan WorkerIsAwaitedFor = TimeSpan.FromMinutes(1); // A restart takes a few seconds.

    private const int SlowRunsMin = 5;
    private const long SlowAtLeastMs = 10_000; // Of runs of a few milliseconds each may once take a second.

    private static readonly AlertEvent[] OfJobs = [AlertEvent.Slow, AlertEvent.NoSuccess];
    private static readonly AlertEvent[] OfWorkers = [AlertEvent.WorkerGone];

    private readonly Dictionary<string, DateTimeOffset> _gone = []; // Workers that had left when this master started.

    /// <summary>The master starts: the workers that were there before may have left.</summary>
    public void Begin(AlertProgress? progress)
    {
        foreach (var worker in progress?.Workers ?? [])
        {
            _gone[worker] = progress!.At;
        }
    }

    public IReadOnlyList<Seen> Find(
        ClusterState state,
        IReadOnlyList<NamedRule> rules,
        IReadOnlyList<KeyValuePair<AlertSubject, AlertState>> states,
        bool withJobs,
        DateTimeOffset now)
    {
        List<Seen> seen = [];
        var open = states.Where(known => known.Value.Open.Count > 0).ToDictionary();
        foreach (var rule in rules.Where(rule => rule.Rule.Enabled))
        {
            var terms = rule.Rule.Terms();
            if (terms.On.Contains(AlertEvent.WorkerGone))
            {
                seen.AddRange(FindWorkers(state, rule, terms, now));
            }

            if (terms.On.Any(OfJobs.Contains))
            {
                seen.AddRange(state.Jobs.Sorted.Select(job => FindJob(state, rule.Name, terms, rule.Rule.Text, job, open, now, rule.Filter))
                    .OfType<Seen>());
            }
        }

        if (withJobs)
        {
            seen.AddRange(state.Jobs.Sorted.Where(job => job.Alert is not null && JobRules.FindBadAlert("", job.Alert) is null)
                .Select(job => FindJob(state, AlertKeys.OfJob, job.Alert!, "", job, open, now, null)).OfType<Seen>());
        }

        // What waits for the end of a mute.
        var looked = seen.Select(one => one.Subject).ToHashSet();
        foreach (var (subject, known) in open.Where(one => !looked.Contains(one.Key) && one.Value.Open.Values.Any(about => !about.IsTold)))
        {
            var rule = rules.FirstOrDefault(rule => rule.Name == subject.Rule);
            var job = state.Jobs.Find(subject.JobName);
            if ((rule?.Rule.Terms() ?? (subject.Rule == AlertKeys.OfJob ? job?.Alert : null)) is { } terms)
            {
                var nothing = new Dictionary<AlertEvent, OpenAlert>();
                seen.Add(new Seen(subject, terms, rule?.Rule.Text ?? "", AboutOf(job, subject.Worker), nothing, []));
            }
        }

        return seen;
    }

    private IEnumerable<Seen> FindWorkers(ClusterState state, NamedRule rule, JobAlert terms, DateTimeOffset now)
    {
        var workers = state.Workers.All.ToDictionary(worker => worker.Id, worker => worker.LeftAt);
        foreach (var (id, seen) in _gone.ToList())
        {
            if (!workers.TryAdd(id, seen))
            {
                _gone.Remove(id);
            }
        }

        foreach (var (id, leftAt) in workers)
        {
            var about = new EventSubject(null, null, id);
            if (rule.Filter.Of(about) == Sight.Whole)
            {
                var found = new Dictionary<AlertEvent, OpenAlert>();
                if (leftAt is { } since && since + WorkerIsAwaitedFor < now)
                {
                    found[AlertEvent.WorkerGone] = new OpenAlert(
                        since, $"left at {since.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC and has not come back");
                }

                yield return new Seen(AlertSubject.OfWorker(rule.Name, id), terms, rule.Rule.Text, about, found, OfWorkers);
            }
        }
    }

    private static Seen? FindJob(
        ClusterState state,
        string rule,
        JobAlert terms,
        string text,
        JobEntry job,
        Dictionary<AlertSubject, AlertState> open,
        DateTimeOffset now,
        EventFilter? filter)
    {
        if (job.Endings.IsUnknown)
        {
            return null; // This master has just started.
        }

        var subject = AlertSubject.Job(rule, job.Name);
        var mayBeSlow = terms.On.Contains(AlertEvent.Slow) && state.Runs.CountInFlight(job.Name) > 0;
        var mayLack = terms.On.Contains(AlertEvent.NoSuccess) && job.IsEnabled && job.HasRuns
            && !(job.LastStatus == RunStatus.Succeeded && IsWithin(job.LastEnd, terms.NoSuccessSeconds, now));
        if (!mayBeSlow && !mayLack && !open.ContainsKey(subject))
        {
            return null;
        }

        var about = AboutOf(job, "");
        if (filter is not null && filter.Of(about) != Sight.Whole)
        {
            return null;
        }

        var (endings, found) = (job.Endings.Unpack(), new Dictionary<AlertEvent, OpenAlert>());
        if (mayBeSlow && FindSlow(state, job, terms, endings, now) is { } slow)
        {
            found[AlertEvent.Slow] = slow;
        }

        if (mayLack && FindLack(terms, endings, now) is { } lack)
        {
            found[AlertEvent.NoSuccess] = lack;
        }

        return new Seen(subject, terms, text, about, found, OfJobs);
    }

    private static OpenAlert? FindSlow(ClusterState state, JobEntry job, JobAlert terms, List<Ending> endings, DateTimeOffset now)
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
                    slowest.RunId)
                : null;
    }

    private static OpenAlert? FindLack(JobAlert terms, List<Ending> endings, DateTimeOffset now)
    {
        var success = endings.FindLast(ending => ending.Status == RunStatus.Succeeded);
        var hasOne = endings.Any(ending => ending.Status == RunStatus.Succeeded);
        var since = hasOne ? (success.StartedAt * 1000) + (success.DurationMs ?? 0) : endings[0].StartedAt * 1000;
        return IsWithin(since, terms.NoSuccessSeconds, now)
            ? null
            : new OpenAlert(
                DateTimeOffset.FromUnixTimeMilliseconds(since),
                $"no run has succeeded since {DateTimeOffset.FromUnixTimeMilliseconds(since).UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC");
    }

    private static bool IsWithin(long milliseconds, int seconds, DateTimeOffset now) =>
        milliseconds > now.ToUnixTimeMilliseconds() - (seconds * 1000L);

    private static EventSubject AboutOf(JobEntry? job, string worker) => new(null, job is null ? null : JobFace.Of(job), worker);

    /// <param name="Looked">The kinds that were looked for.</param>
    internal sealed record Seen(
        AlertSubject Subject,
        JobAlert Terms,
        string Text,
        EventSubject About,
        IReadOnlyDictionary<AlertEvent, OpenAlert> Found,
        IReadOnlyList<AlertEvent> Looked);
}
