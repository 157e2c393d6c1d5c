using System.Text;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Logs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Master.Jobs;

/// <summary>Reads the ledger of a job, and finds the faults in that of all jobs, from etcd and the log.</summary>
/// <remarks>
/// It reads etcd before the log: a run that ends in between has its record by then, or gets it within about a second. An answer covers a
/// limited number of jobs, plan times and records; the next one continues after them.
/// </remarks>
internal sealed class LedgerReader(
    EtcdClient etcd, Keys keys, ILogReader store, CronZone zone, ForeignValues foreign, TimeProvider time)
{
    private const int JobsAtOnce = 100;
    private const int TimesAtOnce = 1000;
    private const int TimesMax = 20_000; // Of an answer for all jobs.
    private const int WrongMax = 1000;

    private static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(2);

    /// <summary>The order of names in etcd.</summary>
    private static readonly Comparer<string> InOrder = Comparer<string>.Create(
        (one, other) => Encoding.UTF8.GetBytes(one).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(other)));

    /// <summary>A page of a job's ledger; null = the job is unknown.</summary>
    public async Task<LedgerPage?> ReadAsync(JobName name, DateTimeOffset from, DateTimeOffset to, int limit, CancellationToken cancel)
    {
        var job = await ReadJobAsync(name, cancel);
        if (job.IsUnknown)
        {
            return null;
        }

        var plan = Ledger.Plan(name, job.Changes, job.Current, zone, from, to, limit);
        var records = await store.ListPlannedAsync(name, from, plan.More ?? to, cancel);
        var lines = Ledger.Judge(plan, records, time.GetUtcNow(), job.Known);
        return new LedgerPage(lines, plan.More is { } more ? Cursor.Text(more) : null);
    }

    public static string NotAJob(string name) =>
        $"name \"{Display.Line(name)}\" is not a job; expected a saved job, or one deleted less than a day ago";

    /// <summary>The fires of all jobs whose ledger has a fault, or which ended in one of these ways.</summary>
    public async Task<WrongPage> FindWrongAsync(
        DateTimeOffset from, DateTimeOffset to, IReadOnlyCollection<RunStatus> endings, LedgerPlace? after, CancellationToken cancel,
        Predicate<Job>? sees = null)
    {
        var (wrong, jobsRead, timesRead, begun) = (new List<WrongFire>(), 0, 0, time.GetTimestamp());
        var place = after ?? new LedgerPlace("", null);
        string? done = null; // A job that the caller sees: the next page begins after it, and must not name another.
        for (var name = place.Job; name is not null;)
        {
            var (jobs, last) = await ListJobsAsync(name, isIncluded: name == place.Job && place.From is not null, cancel);
            foreach (var job in jobs.Where(job => sees is null || (job.Current is { } current && sees(current))))
            {
                var since = job.Name.Value == place.Job ? place.From ?? from : from;
                // A job that was put by hand has no history, so its past begins with its first ending.
                var isKnown = job.Changes.Count > 0 || since > from;
                for (DateTimeOffset? next = since; next is { } start;)
                {
                    if (timesRead >= TimesMax || wrong.Count >= WrongMax || time.GetElapsedTime(begun) > TimeMax)
                    {
                        return new WrongPage(wrong, jobsRead, timesRead, new LedgerPlace(job.Name.Value, start).ToString());
                    }

                    var plan = Ledger.Plan(job.Name, job.Changes, job.Current, zone, start, to, TimesAtOnce);
                    var found = (await FindWrongAsync(job.Name, plan, endings, cancel)).SkipWhile(
                        line => !isKnown && !(isKnown = line.Endings.Count > 0));
                    wrong.AddRange(found.Where(IsWrong).Select(line => new WrongFire(job.Name.Value, line)));
                    timesRead += Math.Max(1, plan.Times.Count);
                    next = plan.More;
                }

                jobsRead++;
                done = job.Name.Value;
            }

            name = last;
            if (last is not null && done is not null && time.GetElapsedTime(begun) > TimeMax)
            {
                return new WrongPage(wrong, jobsRead, timesRead, new LedgerPlace(done, null).ToString());
            }
        }

        return new WrongPage(wrong, jobsRead, timesRead, null);

        bool IsWrong(LedgerLine line) => line.Fault.Length > 0
            || (line.Live is null && line.Counting is { } ending && endings.Contains(ending.Status));
    }

    /// <summary>Reads etcd only for jobs with something to report: most have an ending for each plan time.</summary>
    private async Task<IReadOnlyList<LedgerLine>> FindWrongAsync(
        JobName name, LedgerPlan plan, IReadOnlyCollection<RunStatus> endings, CancellationToken cancel)
    {
        var lines = await JudgeAsync(name, plan, null, cancel);
        return lines.Any(line => line.Fault.Length > 0 || (line.Counting is { } ending && endings.Contains(ending.Status)))
            ? await JudgeAsync(name, plan, (await ReadJobAsync(name, cancel)).Known, cancel)
            : lines;
    }

    private async Task<IReadOnlyList<LedgerLine>> JudgeAsync(JobName name, LedgerPlan plan, FiresInEtcd? known, CancellationToken cancel) =>
        Ledger.Judge(
            plan,
            plan.Times is [var first, ..] ? await store.ListPlannedAsync(name, first, plan.Times[^1].AddSeconds(1), cancel) : [],
            time.GetUtcNow(),
            known);

    private async Task<JobInLedger> ReadJobAsync(JobName name, CancellationToken cancel)
    {
        var state = await etcd.TxnAsync(
            Txn.All(
            [
                Txn.Get(keys.Job(name)), Txn.Get(keys.History(name)), Txn.List(keys.Runs(name)), Txn.List(keys.QueueOf(name)),
                Txn.List(keys.Owed(name, "")), Txn.Get(keys.Fired(name)), Txn.List(keys.FiredByWorkers(name)),
            ]),
            repeatable: true,
            cancel);
        var answers = state.Responses.Select(response => response.ResponseRange.Kvs).ToList();
        var job = answers[0].Select(ParseJob).OfType<Job>().FirstOrDefault();
        var cursors = answers[5].Concat(answers[6]).Select(
            pair => Cursor.TryParse(pair.Value.ToStringUtf8(), out var cursor) ? cursor.PlanTime : (DateTimeOffset?)null);
        return new JobInLedger(
            name,
            ParseChanges(answers[1].FirstOrDefault()),
            job,
            new FiresInEtcd(
                UnendedRun.Read(keys, answers[2], answers[3], [], foreign.Report),
                answers[4].Select(ParseOwed).OfType<OwedEnding>(),
                name,
                cursors.Max(),
                TimeSpan.FromSeconds(job?.StartDeadlineSeconds ?? 0)));
    }

    /// <summary>
    /// The jobs that follow in the order of their names' bytes, also those that were deleted and are still known; and the name to continue
    /// after; null = this is the last page.
    /// </summary>
    /// <param name="isIncluded">The list begins with that job itself, because it is only partly read.</param>
    private async Task<(IReadOnlyList<JobInLedger> Jobs, string? Last)> ListJobsAsync(
        string after, bool isIncluded, CancellationToken cancel)
    {
        var begin = after + (isIncluded ? "" : "\0");
        var jobs = await PageAsync(keys.Jobs, begin, null, cancel);
        var last = jobs.Count == JobsAtOnce ? jobs[^1].Key.ToStringUtf8()[keys.Jobs.Length..] : null;
        var histories = await PageAsync(keys.AllHistory, begin, last, cancel);
        if (histories.Count == JobsAtOnce)
        {
            last = histories[^1].Key.ToStringUtf8()[keys.AllHistory.Length..];
        }

        var current = jobs.ToDictionary(pair => pair.Key.ToStringUtf8()[keys.Jobs.Length..]);
        var changes = histories.ToDictionary(pair => pair.Key.ToStringUtf8()[keys.AllHistory.Length..]);
        JobInLedger[] found =
        [
            .. current.Keys.Union(changes.Keys)
                .Where(name => last is null || InOrder.Compare(name, last) <= 0)
                .Order(InOrder)
                .Select(text => JobName.TryParse(text, out var name, out _)
                    ? new JobInLedger(
                        name,
                        ParseChanges(changes.GetValueOrDefault(text)),
                        current.TryGetValue(text, out var pair) ? ParseJob(pair) : null,
                        null)
                    : null)
                .OfType<JobInLedger>(),
        ];
        return (found, last);
    }

    /// <param name="last">The last name; null = all.</param>
    private async Task<IReadOnlyList<KeyValue>> PageAsync(string prefix, string begin, string? last, CancellationToken cancel)
    {
        var end = last is null ? Txn.EndOf(prefix) : Txn.Bytes($"{prefix}{last}\0");
        return (await etcd.RangeAsync(
            new RangeRequest { Key = Txn.Bytes(prefix + begin), RangeEnd = end, Limit = JobsAtOnce }, cancel)).Kvs;
    }

    private Job? ParseJob(KeyValue pair) => Read(pair, JobJson.TryParse(pair.Value.Memory, out var job, out var why), job, why);

    private IReadOnlyList<ScheduleChange> ParseChanges(KeyValue? pair) =>
        pair is null
            ? []
            : Read(pair, Documents.TryReadHistory(pair.Value.Span, out var changes, out var why), changes, why) ?? [];

    private OwedEnding? ParseOwed(KeyValue pair) =>
        Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllOwed) is var (_, runId)
            ? Read(pair, Documents.TryReadOwed(runId, pair.Value.Span, out var owed, out var why), owed, why)
            : null;

    private T? Read<T>(KeyValue pair, bool isRead, T? value, string why)
        where T : class
    {
        if (!isRead)
        {
            foreign.Report(pair, why);
        }

        return value;
    }

    /// <param name="Known">Null = it was not read.</param>
    private sealed record JobInLedger(JobName Name, IReadOnlyList<ScheduleChange> Changes, Job? Current, FiresInEtcd? Known)
    {
        public bool IsUnknown => Current is null && Changes.Count == 0;
    }
}

/// <param name="Next">The first plan time of the next page; null = this is the last page.</param>
internal sealed record LedgerPage(IReadOnlyList<LedgerLine> Lines, string? Next);

/// <summary>A page of the faults in the ledger of all jobs.</summary>
/// <param name="JobsRead">How many jobs were read completely.</param>
/// <param name="Next">The next page begins here; null = this is the last page.</param>
internal sealed record WrongPage(IReadOnlyList<WrongFire> Wrong, int JobsRead, int PlanTimesRead, string? Next);

internal sealed record WrongFire(string JobName, LedgerLine Fire);

/// <summary>How far the ledger of all jobs has been read.</summary>
/// <param name="From">The plan time to go on from; null = the job is done.</param>
internal readonly record struct LedgerPlace(string Job, DateTimeOffset? From)
{
    private const string Done = "-";

    public static LedgerPlace? Parse(string text) =>
        CursorText.Read(text, 2) is not [var from, { Length: > 0 } job] || !JobName.TryParse(job, out _, out _) ? null
        : from == Done ? new LedgerPlace(job, null)
        : QueryTime.Parse(from) is { } moment ? new LedgerPlace(job, moment)
        : null;

    public override string ToString() => CursorText.Write($"{(From is { } from ? Cursor.Text(from) : Done)} {Job}");
}
