namespace Dts.Master.Views;

/// <summary>Decides which endings to read from the log, and when.</summary>
/// <remarks>
/// <para>Constraints: a record reaches the log some time after its run has left etcd, and hours later if the log store was away. The true
/// ending may replace a record that says lost. The log has no order of arrival.</para>
/// <para>Scheme: a second after a run has left etcd, its record is asked for by id, together with others, and again at growing intervals
/// until it is there. All endings of a job are loaded when the job is new, when one of its records is not the newest, and every hour,
/// one job after the other, to find missed ones. Queries for runs and for jobs alternate, so jobs are loaded even while runs end all the
/// time.</para>
/// <para>Not thread-safe; <see cref="ClusterState"/> owns it.</para>
/// </remarks>
/// <param name="time">Only its monotonic clock counts, so that no query waits for an hour when the wall clock was an hour ahead.</param>
internal sealed class EndingQueries(TimeProvider time)
{
    public const int RunsAtOnce = 500;
    public const int JobsAtOnce = 100;
    public const int AwaitedMax = 100_000;

    private const int TrimmedFrom = 1000;

    public static readonly TimeSpan GivenUpAfter = TimeSpan.FromDays(1);

    private static readonly TimeSpan RecordsComeWithin = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LooksBackFor = TimeSpan.FromHours(1);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private readonly PriorityQueue<AwaitedRun, TimeSpan> _awaited = new(); // By when they are due.
    private readonly HashSet<(string Job, string RunId)> _awaitedIds = [];
    private readonly Queue<string> _jobs = [];
    private readonly HashSet<string> _jobsQueued = [];
    private readonly Queue<EndingQuery> _split = [];
    private int _jobsAtOnce = JobsAtOnce;
    private bool _isTurnOfJobs;

    private TimeSpan Elapsed => time.GetElapsedTime(0);

    /// <summary>When the wait began for the oldest record that may still come soon; null = none is awaited.</summary>
    /// <param name="now">The wall clock, by which the answer is, too.</param>
    public DateTimeOffset? OldestAwaited(DateTimeOffset now)
    {
        var elapsed = Elapsed;
        return now - _awaited.UnorderedItems
            .Select(run => elapsed - run.Element.Since)
            .Where(waited => waited < LooksBackFor)
            .Max(waited => (TimeSpan?)waited);
    }

    /// <summary>A run has ended; its record will come.</summary>
    public void Await(string job, string runId)
    {
        if (_awaited.Count < AwaitedMax && _awaitedIds.Add((job, runId)))
        {
            var now = Elapsed;
            _awaited.Enqueue(new AwaitedRun(job, runId, now, 0), now + FirstPause);
        }
    }

    /// <summary>Asks for all latest endings of a job.</summary>
    public void Load(string job)
    {
        if (_jobsQueued.Add(job))
        {
            _jobs.Enqueue(job);
        }
    }

    /// <summary>Takes the next query that is due; null = none. Queries for runs and for jobs alternate.</summary>
    public EndingQuery? Next()
    {
        if (_split.TryDequeue(out var smaller))
        {
            return smaller;
        }

        var query = _isTurnOfJobs ? NextJobs() ?? (EndingQuery?)NextRuns() : NextRuns() ?? (EndingQuery?)NextJobs();
        _isTurnOfJobs = query is EndingQuery.Runs;
        return query;
    }

    /// <summary>The log store has answered: queries may be larger again.</summary>
    public void NoteAnswered() => _jobsAtOnce = Math.Min(_jobsAtOnce * 2, JobsAtOnce);

    /// <summary>The log store did not answer: the query stays due, for fewer jobs in case it took too long.</summary>
    public void PutBack(EndingQuery query)
    {
        _jobsAtOnce = Math.Max(1, _jobsAtOnce / 2);
        switch (query)
        {
            case EndingQuery.Runs(var runs):
                var now = Elapsed;
                runs.ToList().ForEach(run => _awaited.Enqueue(run, now));
                break;
            case EndingQuery.Jobs(var jobs):
                jobs.ToList().ForEach(Load);
                break;
        }
    }

    /// <summary>
    /// The query fails, and would fail again: splits it into smaller ones, until the job at fault is found.
    /// </summary>
    /// <returns>The job at fault, which is not asked for now; null = the smaller queries come next.</returns>
    public string? Split(EndingQuery query)
    {
        switch (query)
        {
            case EndingQuery.Jobs([var job]):
                return job;
            case EndingQuery.Jobs(var names):
                AskNext(names, (names.Count + 1) / 2);
                return null;
            case EndingQuery.Runs(var runs):
                runs.ToList().ForEach(Forget);
                AskNext(runs.Select(run => run.Job).Distinct(), JobsAtOnce);
                return null;
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    /// <summary>A run's record is not there, or says lost and may be replaced by the true ending.</summary>
    public void AskAgain(AwaitedRun run)
    {
        var now = Elapsed;
        if (now - run.Since > GivenUpAfter)
        {
            Forget(run);
            return;
        }

        var pause = TimeSpan.FromTicks(Math.Min((FirstPause * (1 << Math.Min(run.Tries, 10))).Ticks, LongestPause.Ticks));
        _awaited.Enqueue(run with { Tries = run.Tries + 1 }, now + pause);
    }

    /// <summary>The number of runs that left etcd longer ago than a record takes, and have none.</summary>
    public int CountWithoutEnding()
    {
        var now = Elapsed;
        return _awaited.UnorderedItems.Count(awaited => !awaited.Element.IsLost && now - awaited.Element.Since > RecordsComeWithin);
    }

    public void Forget(AwaitedRun run) => _awaitedIds.Remove((run.Job, run.RunId));

    private void AskNext(IEnumerable<string> jobs, int atOnce)
    {
        foreach (var some in jobs.Chunk(atOnce))
        {
            _split.Enqueue(new EndingQuery.Jobs(some));
        }
    }

    private EndingQuery.Runs? NextRuns()
    {
        var now = Elapsed;
        List<AwaitedRun> runs = [];
        while (runs.Count < RunsAtOnce && _awaited.TryPeek(out var run, out var due) && due <= now)
        {
            _awaited.Dequeue();
            runs.Add(run);
        }

        return runs.Count > 0 ? new EndingQuery.Runs(runs) : null;
    }

    private EndingQuery.Jobs? NextJobs()
    {
        List<string> jobs = [];
        while (jobs.Count < _jobsAtOnce && _jobs.TryDequeue(out var job))
        {
            _jobsQueued.Remove(job);
            jobs.Add(job);
        }

        if (_jobs.Count == 0 && _jobs.Capacity > TrimmedFrom)
        {
            _jobs.TrimExcess(); // After a first load of many.
            _jobsQueued.TrimExcess();
        }

        return jobs.Count > 0 ? new EndingQuery.Jobs(jobs) : null;
    }
}

/// <param name="Since">When the run left etcd, by the monotonic clock.</param>
/// <param name="IsLost">Its record is there, and says lost.</param>
internal sealed record AwaitedRun(string Job, string RunId, TimeSpan Since, int Tries, bool IsLost = false)
{
    public string RecordId => $"{Job}/{RunId}";
}

/// <summary>A query to the log.</summary>
internal abstract record EndingQuery
{
    private EndingQuery()
    {
    }

    /// <summary>The endings of some runs.</summary>
    public sealed record Runs(IReadOnlyList<AwaitedRun> Awaited) : EndingQuery;

    /// <summary>The latest endings of some jobs.</summary>
    public sealed record Jobs(IReadOnlyList<string> Names) : EndingQuery;
}
