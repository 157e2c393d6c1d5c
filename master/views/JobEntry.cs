using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Views;

/// <summary>A job in the view: what lists show and filters ask for, and how its latest runs ended.</summary>
/// <remarks>Not thread-safe; <see cref="ClusterState"/> owns it. A hundred thousand of them must stay small.</remarks>
internal sealed class JobEntry(string name) : IJobFace
{
    private const uint NoNext = uint.MaxValue;

    private Rare _rare = Rare.None;
    private LastRare? _lastRare; // Null = all of it is as usual.
    private uint _nextAt; // Seconds since the epoch, until 2106; 0 = not computed yet.
    private uint _lastPlanTime; // The same.
    private RunStatus _lastStatus;

    public string Name => name;

    public string Command { get; private set; } = "";

    public string Description => _rare.Description;

    public IReadOnlyList<KeyValuePair<string, string>> Labels => _rare.Labels;

    public string User => _rare.User;

    /// <summary>The job's own alert, in addition to the rules; null = none.</summary>
    public JobAlert? Alert => _rare.Alert;

    /// <summary>Why no worker can run it; empty = workers can.</summary>
    public string Broken => _rare.Broken;

    public Timing Timing { get; private set; } = Timing.Unreadable;

    public bool IsEnabled { get; private set; }

    public EndingList Endings { get; private set; }

    /// <summary>
    /// The start of the first known ending after the latest success, which may be older than the endings that are kept; in seconds since
    /// the epoch. 0 = one of those is a success.
    /// </summary>
    public long LacksSuccessSince { get; private set; }

    /// <summary>The latest ending that says something about the job needs attention.</summary>
    public bool IsFailing { get; private set; }

    public RunStatus? LastStatus => HasRuns ? _lastStatus : null;

    /// <summary>In milliseconds since the epoch; 0 = there is no ending.</summary>
    public long LastStart { get; private set; }

    public long LastEnd { get; private set; }

    public long? LastDurationMs => LastStatus is { } status && EndedRun.HasRun(status) ? Math.Max(0, LastEnd - LastStart) : null;

    public string LastWorker { get; private set; } = "";

    public string LastErr => _lastRare?.Err ?? "";

    /// <summary>The last line of its output, kept if the run needs attention.</summary>
    public string LastLine => _lastRare?.Line ?? "";

    public string LastRunId => _lastRare?.RunId ?? RunId.Of(LastPlanTime);

    public DateTimeOffset LastPlanTime => DateTimeOffset.FromUnixTimeSeconds(_lastPlanTime);

    public bool HasRuns => LastStart > 0;

    public void Take(Job job, Timing timing, string broken, IReadOnlyList<KeyValuePair<string, string>> labels, string user)
    {
        (Command, Timing, IsEnabled, _nextAt) = (job.Command, timing, job.Enabled, 0);
        _rare = job.Description.Length + labels.Count + user.Length + broken.Length > 0 || job.Alert is not null
            ? new Rare(job.Description, labels, user, broken, job.Alert)
            : Rare.None;
    }

    /// <summary>Its value in etcd is not a job.</summary>
    public void TakeUnreadable(string why) =>
        (Command, Timing, IsEnabled, _nextAt, _rare) = ("", Timing.Unreadable, false, 0, Rare.None with { Broken = why });

    /// <summary>The next plan time, in seconds since the epoch; null = none is left, or it has none now.</summary>
    public long? NextAfter(long now)
    {
        if (!IsEnabled || Broken.Length > 0 || Timing.Schedule is not { } schedule)
        {
            return null;
        }

        if (_nextAt <= now)
        {
            _nextAt = (uint?)schedule.Next(DateTimeOffset.FromUnixTimeSeconds(now))?.ToUnixTimeSeconds() ?? NoNext;
        }

        return _nextAt == NoNext ? null : _nextAt;
    }

    /// <summary>The clock was set back: plan times that had passed are ahead again.</summary>
    public void ForgetNext() => _nextAt = 0;

    /// <summary>Replaces the known endings.</summary>
    /// <param name="runs">The latest ended runs, in any order.</param>
    /// <returns>The runs that were not known, the oldest first, each with the endings up to it.</returns>
    public IReadOnlyList<(EndedRun Run, IReadOnlyList<Ending> Endings)> Load(IEnumerable<EndedRun> runs, Func<string, string> share)
    {
        List<EndedRun> sorted = [.. runs.OrderBy(run => run.StartTime).ThenBy(run => run.RunId, StringComparer.Ordinal)];
        var known = Endings.Unpack();
        Ending[] endings = [.. sorted.Select(Of)];
        Keep(endings);
        if (sorted.Count > 0)
        {
            TakeLast(sorted[^1], share);
        }
        else
        {
            LastStart = 0;
        }

        return
        [
            .. sorted.Select((run, i) => (run, (IReadOnlyList<Ending>)new ArraySegment<Ending>(endings, 0, i + 1)))
                .Where(found => !IsKnown(known, Of(found.run))),
        ];
    }

    /// <summary>Adds a run that has ended, if it is the newest of the known ones.</summary>
    public Addition Add(EndedRun run, Func<string, string> share)
    {
        if (Endings.IsUnknown)
        {
            return Addition.OutOfOrder;
        }

        var (endings, ending) = (Endings.Unpack(), Of(run));
        if (run.StartTime <= LastStart)
        {
            return IsKnown(endings, ending) ? Addition.Known : Addition.OutOfOrder;
        }

        endings.Add(ending);
        Keep(endings);
        TakeLast(run, share);
        return Addition.Added;
    }

    /// <summary>How many endings in a row, up to the latest one, need attention, not counting neutral ones.</summary>
    public static int StreakOf(IReadOnlyList<Ending> endings) =>
        endings.Reverse().Where(ending => !ending.IsNeutral).TakeWhile(ending => ending.IsBad).Count();

    /// <summary>The median duration of those that succeeded; null = there are none.</summary>
    public static long? UsualOf(IReadOnlyList<Ending> endings)
    {
        List<long> durations =
            [.. endings.Where(ending => ending.Status == RunStatus.Succeeded).Select(ending => ending.DurationMs ?? 0).Order()];
        return durations.Count > 0 ? durations[(durations.Count - 1) / 2] : null;
    }

    private static Ending Of(EndedRun run) =>
        new(run.Status, run.StartTime / 1000, EndedRun.HasRun(run.Status) ? Math.Max(0, run.EndTime - run.StartTime) : null);

    private static bool IsKnown(List<Ending> known, Ending ending) =>
        known.Contains(ending with { DurationMs = EndingList.RoundDuration(ending.DurationMs) });

    private void Keep(IReadOnlyList<Ending> endings)
    {
        var hasSucceeded = endings.TakeLast(EndingList.Kept).Any(ending => ending.Status == RunStatus.Succeeded);
        var first = endings.Count > 0 ? endings[0].StartedAt : 0;
        LacksSuccessSince = hasSucceeded || endings.Count == 0 ? 0
            : LacksSuccessSince == 0 ? first
            : Math.Min(LacksSuccessSince, first);
        Endings = EndingList.Of(endings);
        IsFailing = StreakOf(endings) > 0;
    }

    private void TakeLast(EndedRun run, Func<string, string> share)
    {
        (_lastStatus, LastStart, LastEnd, LastWorker) = (run.Status, run.StartTime, run.EndTime, share(run.Worker));
        _lastPlanTime = (uint)Math.Clamp(run.PlanTime / 1000, 0, uint.MaxValue);
        var runId = run.RunId == RunId.Of(LastPlanTime) ? null : run.RunId;
        var line = Ending.IsBadStatus(run.Status) ? run.LastLine : "";
        _lastRare = runId is null && run.Err.Length + line.Length == 0 ? null : new LastRare(runId, run.Err, line);
    }

    /// <summary>Members that most jobs do not have.</summary>
    private sealed record Rare(
        string Description, IReadOnlyList<KeyValuePair<string, string>> Labels, string User, string Broken, JobAlert? Alert = null)
    {
        public static Rare None { get; } = new("", [], "", "");
    }

    /// <summary>Members that most runs do not have.</summary>
    /// <param name="RunId">Null = the schedule's own of the plan time.</param>
    private sealed record LastRare(string? RunId, string Err, string Line);
}

/// <summary>The outcome of adding an ending to those of its job.</summary>
internal enum Addition
{
    Added,

    Known,

    /// <summary>It is not the newest: all endings of the job must be loaded.</summary>
    OutOfOrder,
}

/// <summary>When a job fires: the saved texts, and the schedule that they mean. Jobs with equal texts share one.</summary>
/// <param name="TimeZone">Empty = the setting's.</param>
/// <param name="Schedule">Null = the texts are not a schedule.</param>
internal sealed record Timing(string CronExpr, string TimeZone, JobSchedule? Schedule)
{
    public static Timing Unreadable { get; } = new("", "", null);

    /// <summary>The schedule in words; empty = there is no schedule.</summary>
    public string Words => field ??= Schedule?.Expression.Describe(Schedule.Zone) ?? "";
}
