namespace Dts.Master.Views;

/// <summary>Which endings the log is to be asked for, and when.</summary>
/// <remarks>
/// <para>Constraints: a record arrives in the log some time after its run is gone from etcd, and hours after it when the log store was
/// away. A record that says lost may be replaced by the true ending. The log has no order of arrival.</para>
/// <para>Scheme: a run that leaves etcd is asked for by its id a second later, many in one question, and again at growing intervals until
/// its record is there. A job is loaded as a whole when it is new, when a record of it is not its newest, and in turn with all others every
/// hour, which finds what was missed. Questions about runs and about jobs take turns, so jobs are loaded also while runs end all the
/// time.</para>
/// <para>Not thread-safe; <see cref="ClusterState"/> owns it.</para>
/// </remarks>
internal sealed class EndingQuestions
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

    private readonly PriorityQueue<AwaitedRun, long> _awaited = new(); // By when they are due, in ticks.
    private readonly HashSet<(string Job, string RunId)> _awaitedIds = [];
    private readonly Queue<string> _jobs = [];
    private readonly HashSet<string> _jobsQueued = [];
    private readonly Queue<EndingQuestion> _split = [];
    private int _jobsAtOnce = JobsAtOnce;
    private bool _isTurnOfJobs;

    public int AwaitedCount => _awaited.Count;

    public int JobsWaiting => _jobs.Count;

    /// <summary>Since when the oldest record is awaited that may still come soon; null = none is.</summary>
    public DateTimeOffset? OldestAwaited(DateTimeOffset now) =>
        _awaited.UnorderedItems.Where(run => now - run.Element.Since < LooksBackFor).Min(run => (DateTimeOffset?)run.Element.Since);

    /// <summary>A run has ended; its record will come.</summary>
    public void Await(string job, string runId, DateTimeOffset now)
    {
        if (_awaited.Count < AwaitedMax && _awaitedIds.Add((job, runId)))
        {
            _awaited.Enqueue(new AwaitedRun(job, runId, now, 0), (now + FirstPause).UtcTicks);
        }
    }

    /// <summary>All that is known of a job's endings is to be read again.</summary>
    public void Load(string job)
    {
        if (_jobsQueued.Add(job))
        {
            _jobs.Enqueue(job);
        }
    }

    /// <summary>Takes the next question that is due; null = none is. Runs and jobs take turns.</summary>
    public EndingQuestion? Next(DateTimeOffset now)
    {
        if (_split.TryDequeue(out var smaller))
        {
            return smaller;
        }

        var question = _isTurnOfJobs ? NextJobs() ?? (EndingQuestion?)NextRuns(now) : NextRuns(now) ?? (EndingQuestion?)NextJobs();
        _isTurnOfJobs = question is EndingQuestion.Runs;
        return question;
    }

    /// <summary>The log store has answered: questions may be larger again.</summary>
    public void NoteAnswered() => _jobsAtOnce = Math.Min(_jobsAtOnce * 2, JobsAtOnce);

    /// <summary>The log store did not answer: the question is due as before, for fewer jobs in case it took too long.</summary>
    public void PutBack(EndingQuestion question, DateTimeOffset now)
    {
        _jobsAtOnce = Math.Max(1, _jobsAtOnce / 2);
        switch (question)
        {
            case EndingQuestion.Runs(var runs):
                runs.ToList().ForEach(run => _awaited.Enqueue(run, now.UtcTicks));
                break;
            case EndingQuestion.Jobs(var jobs):
                jobs.ToList().ForEach(Load);
                break;
        }
    }

    /// <summary>
    /// The question cannot be answered, for a fault that asking again does not mend: it is asked in smaller ones, until one job is left to
    /// blame.
    /// </summary>
    /// <returns>That job, which is not asked for now; null = the smaller questions come next.</returns>
    public string? Split(EndingQuestion question)
    {
        switch (question)
        {
            case EndingQuestion.Jobs([var job]):
                return job;
            case EndingQuestion.Jobs(var names):
                AskNext(names, (names.Count + 1) / 2);
                return null;
            case EndingQuestion.Runs(var runs):
                runs.ToList().ForEach(Forget);
                AskNext(runs.Select(run => run.Job).Distinct(), JobsAtOnce);
                return null;
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    /// <summary>A run's record is not there, or says lost, which the true ending may replace.</summary>
    public void AskAgain(AwaitedRun run, DateTimeOffset now)
    {
        if (now - run.Since > GivenUpAfter)
        {
            Forget(run);
            return;
        }

        var pause = TimeSpan.FromTicks(Math.Min((FirstPause * (1 << Math.Min(run.Tries, 10))).Ticks, LongestPause.Ticks));
        _awaited.Enqueue(run with { Tries = run.Tries + 1 }, (now + pause).UtcTicks);
    }

    /// <summary>Runs that are gone from etcd for longer than a record takes, and have none.</summary>
    public int CountWithoutEnding(DateTimeOffset now) =>
        _awaited.UnorderedItems.Count(awaited => !awaited.Element.IsLost && now - awaited.Element.Since > RecordsComeWithin);

    public void Forget(AwaitedRun run) => _awaitedIds.Remove((run.Job, run.RunId));

    private void AskNext(IEnumerable<string> jobs, int atOnce)
    {
        foreach (var some in jobs.Chunk(atOnce))
        {
            _split.Enqueue(new EndingQuestion.Jobs(some));
        }
    }

    private EndingQuestion.Runs? NextRuns(DateTimeOffset now)
    {
        List<AwaitedRun> runs = [];
        while (runs.Count < RunsAtOnce && _awaited.TryPeek(out var run, out var due) && due <= now.UtcTicks)
        {
            _awaited.Dequeue();
            runs.Add(run);
        }

        return runs.Count > 0 ? new EndingQuestion.Runs(runs) : null;
    }

    private EndingQuestion.Jobs? NextJobs()
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

        return jobs.Count > 0 ? new EndingQuestion.Jobs(jobs) : null;
    }
}

/// <param name="Since">When it was first asked for.</param>
/// <param name="IsLost">Its record is there, and says lost.</param>
internal sealed record AwaitedRun(string Job, string RunId, DateTimeOffset Since, int Tries, bool IsLost = false)
{
    public string RecordId => $"{Job}/{RunId}";
}

/// <summary>A question to the log.</summary>
internal abstract record EndingQuestion
{
    private EndingQuestion()
    {
    }

    /// <summary>Have these runs ended, and how?</summary>
    public sealed record Runs(IReadOnlyList<AwaitedRun> Awaited) : EndingQuestion;

    /// <summary>How did the latest runs of these jobs end?</summary>
    public sealed record Jobs(IReadOnlyList<string> Names) : EndingQuestion;
}
