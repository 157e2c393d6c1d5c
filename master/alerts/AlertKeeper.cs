using System.Text.Json;
using System.Threading.Channels;
using Dts.Common.Jobs;
using Dts.Master.Events;
using Dts.Master.Logs;
using Dts.Master.Views;

namespace Dts.Master.Alerts;

/// <summary>Judges the endings of runs by the rules, and follows what etcd has under alerts/.</summary>
/// <remarks>
/// Endings from before this master's start are judged if they came after <see cref="AlertProgress"/>, which all masters together
/// move forward.
/// </remarks>
internal sealed class AlertKeeper(
    AlertBoard board, AlertStore store, ClusterView view, EventFeed feed, TimeProvider time, ILogger log)
{
    private const int DueMax = 100_000;

    private static readonly TimeSpan Overlap = TimeSpan.FromSeconds(5); // Clocks differ, and a record's times are its worker's.

    // full: the ending is not judged, and the log says so
    private readonly Channel<Judgement> _due = Channel.CreateBounded<Judgement>(DueMax);

    private readonly TaskCompletionSource _listed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private DateTimeOffset _judgedBefore = DateTimeOffset.MaxValue; // Up to when other masters had judged when this one started.
    private volatile bool _isJudging;
    private int _dropped;

    /// <summary>Completes when the rules are known; the view must not be read before.</summary>
    public Task Listed => _listed.Task;

    /// <summary>How far all masters had come when this one started; null = no master has judged yet.</summary>
    public AlertProgress? FirstProgress { get; private set; }

    public bool HasJobAlerts { get; private set; }

    /// <summary>No ending waits for its judgement.</summary>
    public bool IsIdle => _due.Reader.Count == 0 && !_isJudging;

    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            await Task.WhenAll(FollowAsync(stop), JudgeAsync(stop));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Told to end. The next process goes on from the progress.
        }
    }

    /// <summary>Takes changes of the view, as its observer.</summary>
    public void Take(IReadOnlyList<ClusterChange> changes)
    {
        var rules = board.Rules;
        HasJobAlerts |= changes.Any(change => change is ClusterChange.JobPut { Job.Alert: not null });
        foreach (var recorded in changes.OfType<ClusterChange.Recorded>())
        {
            if (rules.Count > 0 || recorded.Job.Alert is not null)
            {
                Take(rules, recorded);
            }
        }
    }

    /// <summary>Whether a mute covers a job or a worker.</summary>
    public bool IsOf(NamedMute mute, AlertSubject subject) => mute.Covers(AboutOf(subject));

    /// <summary>Whether something that a mute covers is wrong now: an alert is open, a job is failing or cannot run.</summary>
    /// <param name="orUnread">A job whose endings have not been read yet counts as well.</param>
    public bool IsNeeded(NamedMute mute, bool orUnread) =>
        board.States.Any(state => state.Value.Open.Count > 0 && IsOf(mute, state.Key))
        || view.Take(state => state.Jobs.Sorted.Any(job =>
            (state.StateOf(job) is JobState.Failing or JobState.Broken || (orUnread && job.Endings.IsUnknown))
            && mute.Covers(EventSubject.Of(job))));

    /// <summary>A job or a worker as filters see it now.</summary>
    public EventSubject AboutOf(AlertSubject subject) =>
        view.Take(state => EventSubject.Of(state.Jobs.Find(subject.JobName), subject.Worker));

    public void LogDropped()
    {
        if (Interlocked.Exchange(ref _dropped, 0) is > 0 and var dropped)
        {
            log.AlertsNotJudged(dropped, DueMax);
        }
    }

    private void Take(IReadOnlyList<NamedRule> rules, ClusterChange.Recorded recorded)
    {
        var (job, run) = (recorded.Job, recorded.Run);
        var ended = DateTimeOffset.FromUnixTimeMilliseconds(Math.Max(run.StartTime, run.EndTime));
        if (recorded.IsFirstRead && ended <= _judgedBefore - Overlap)
        {
            return;
        }

        var about = EventSubject.Of(job); // Without worker and ending: a filter by them would miss the recovery.
        foreach (var watched in rules.Select(rule => rule.Watch(AlertSubject.ForJob(rule.Name, job.Name), about))
            .Append(Watched.ByItself(job, about)).OfType<Watched>())
        {
            var state = board.StateOf(watched.Subject).Value;
            if (recorded.IsFirstRead && state.UpTo > 0 && IsAhead(run.StartTime) && !IsAhead(state.UpTo))
            {
                continue; // Judged before this master started, and runs by right clocks have counted since.
            }

            // A success matters only if an alert is open, or one is about to be judged.
            var matters = run.Status != RunStatus.Succeeded
                || state.Open.Count > 0
                || (recorded.Endings is [.., var before, _] && before.Status != RunStatus.Succeeded)
                || recorded.Endings.Count == 1;
            if (matters && !_due.Writer.TryWrite(new Judgement(watched, run, recorded.Endings)))
            {
                Interlocked.Increment(ref _dropped);
            }
        }
    }

    private bool IsAhead(long milliseconds) =>
        MasterClocks.IsAhead(DateTimeOffset.FromUnixTimeMilliseconds(milliseconds), time.GetUtcNow());

    private async Task FollowAsync(CancellationToken stop)
    {
        await foreach (var batch in store.WatchAsync(stop))
        {
            if (batch.IsOtherData)
            {
                board.ForgetRevisions();
            }

            var turns = board.Apply(batch.Changes, time.GetUtcNow());
            if (_listed.Task.IsCompleted)
            {
                turns.ToList().ForEach(Tell);
            }
            else
            {
                var now = time.GetUtcNow();
                FirstProgress = board.Progress?.NotAfter(now);
                _judgedBefore = FirstProgress?.At ?? now;
                _listed.SetResult();
            }
        }
    }

    /// <summary>Tells listeners of events.</summary>
    private void Tell(AlertStateEvent turn)
    {
        var about = AboutOf(new AlertSubject(turn.Rule, turn.JobName, turn.Worker));
        if (about.After is not null || turn.Worker.Length > 0)
        {
            feed.Add(new FeedEvent("alert", JsonSerializer.SerializeToUtf8Bytes(turn, AlertJson.Readable.AlertStateEvent), about));
        }
    }

    private async Task JudgeAsync(CancellationToken stop)
    {
        while (true)
        {
            await _due.Reader.WaitToReadAsync(stop);
            _isJudging = true;
            while (_due.Reader.TryRead(out var due))
            {
                await store.DecideAsync(due.Watched, core => core.Take(due.Run, due.Endings), stop);
            }

            _isJudging = false;
        }
    }

    private sealed record Judgement(Watched Watched, EndedRun Run, IReadOnlyList<Ending> Endings);
}
