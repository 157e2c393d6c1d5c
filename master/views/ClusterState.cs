using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Views;

/// <summary>The cluster as a master knows it. Takes changes of etcd, endings from the log and the time. No I/O.</summary>
/// <remarks>Not thread-safe; <see cref="ClusterView"/> guards it.</remarks>
internal sealed class ClusterState
{
    private readonly Keys _keys;
    private readonly TimeProvider _time;
    private List<ClusterChange> _changes = [];
    private DateTimeOffset? _ticked;
    private TimeSpan? _elapsed; // The same by the monotonic clock.

    /// <param name="time">The monotonic clock, for the endings that are awaited; the system's unless given.</param>
    public ClusterState(Keys keys, CronZone defaultZone, TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        (_keys, Jobs, EndingQueries) = (keys, new JobTable(defaultZone), new EndingQueries(_time));
        Endings = new JobEndings(Jobs, EndingQueries, Note);
    }

    /// <summary>Changes are kept for <see cref="TakeChanges"/>.</summary>
    public bool KeepsChanges { get; set; }

    public JobTable Jobs { get; }

    public RunTable Runs { get; } = new();

    public WorkerTable Workers { get; } = new();

    public EndingQueries EndingQueries { get; }

    public JobEndings Endings { get; }

    public JobState StateOf(JobEntry job) =>
        job.Broken.Length > 0 ? JobState.Broken
        : !job.IsEnabled ? JobState.Paused
        : job.IsFailing ? JobState.Failing
        : Runs.CountInFlight(job.Name) > 0 ? JobState.Running
        : Runs.CountQueued(job.Name) > 0 ? JobState.Queued
        : job.Endings.IsUnknown ? JobState.Unknown
        : job.HasRuns ? JobState.Well
        : JobState.New;

    /// <summary>The changes since they were last taken, in their order.</summary>
    public IReadOnlyList<ClusterChange> TakeChanges()
    {
        if (_changes.Count == 0)
        {
            return [];
        }

        var taken = _changes;
        _changes = [];
        return taken;
    }

    public void ApplyJobs(IEnumerable<KeyChange> changes)
    {
        foreach (var change in changes)
        {
            if (!Keys.TryParseName(change.Key, _keys.Jobs, out var name))
            {
                continue; // DTS did not write it; workers log it.
            }

            var before = KeepsChanges && Jobs.Find(name.Value.Value) is { } known ? JobFace.Of(known) : null;
            if (change is KeyChange.Put put)
            {
                if (Jobs.Put(name.Value, put.Value.Memory))
                {
                    EndingQueries.Load(name.Value.Value);
                }

                Note(new ClusterChange.JobPut(before, Jobs.Find(name.Value.Value)!));
                continue;
            }

            Jobs.Remove(name.Value);
            if (before is not null)
            {
                Note(new ClusterChange.JobGone(before));
            }
        }
    }

    /// <param name="report">Called with key, revision and fault of a value that cannot be read.</param>
    public void ApplyRuns(ChangeBatch batch, Action<KeyChange, string> report)
    {
        foreach (var change in batch.Changes)
        {
            if (Keys.TryParseRun(change.Key, _keys.AllRuns) is not var (job, runId))
            {
                continue;
            }

            if (change is not KeyChange.Put put)
            {
                if (Runs.RemoveInFlight(job.Value, runId) is { } worker)
                {
                    Note(new ClusterChange.Ended(job.Value, runId, worker));
                }

                AwaitEnding(batch, job.Value, runId);
            }
            else if (Documents.TryReadInFlight(runId, put.Value.Span, out var run, out var why))
            {
                Runs.PutInFlight(job.Value, runId, run, put.CreateRevision);
                Note(new ClusterChange.Claimed(job.Value, runId));
            }
            else
            {
                report(change, why);
            }
        }
    }

    public void ApplyQueue(ChangeBatch batch, Action<KeyChange, string> report)
    {
        foreach (var change in batch.Changes)
        {
            if (Keys.TryParseRun(change.Key, _keys.AllQueued) is not var (job, runId))
            {
                continue;
            }

            if (change is not KeyChange.Put put)
            {
                if (Runs.RemoveQueued(job.Value, runId))
                {
                    Note(new ClusterChange.Dequeued(job.Value, runId));
                }
            }
            else if (Documents.TryReadQueued(runId, put.Value.Span, out var run, out var why))
            {
                Runs.PutQueued(job.Value, runId, run);
                Note(new ClusterChange.Queued(job.Value, runId));
            }
            else
            {
                report(change, why);
            }
        }
    }

    /// <summary>A key under owed/ goes when its ending is in a worker's spool, on its way to the log.</summary>
    public void ApplyOwed(ChangeBatch batch)
    {
        foreach (var gone in batch.Changes.OfType<KeyChange.Deleted>())
        {
            if (Keys.TryParseRun(gone.Key, _keys.AllOwed) is var (job, runId))
            {
                AwaitEnding(batch, job.Value, runId);
            }
        }
    }

    public void ApplyKills(IEnumerable<KeyChange> changes)
    {
        foreach (var change in changes)
        {
            if (_keys.TryParseKiller(change.Key) is not var (job, runId))
            {
                continue;
            }

            if (change is KeyChange.Put)
            {
                Runs.PutKill(job.Value, runId, change.ModRevision);
            }
            else
            {
                Runs.RemoveKill(job.Value, runId);
            }
        }
    }

    /// <param name="clocks">Hears the clock of each worker.</param>
    public void ApplyWorkers(ChangeBatch batch, DateTimeOffset now, ClockCheck clocks)
    {
        foreach (var change in batch.Changes)
        {
            var id = _keys.WorkerOf(change.Key);
            if (change is not KeyChange.Put put)
            {
                clocks.Forget(id);
                if (Workers.Remove(id, now))
                {
                    Note(new ClusterChange.WorkerLeft(id));
                }
            }
            else if (WorkerRegistration.Parse(put.Value.Span) is { } registration)
            {
                var known = Workers.Find(id) is { LeftAt: null } there ? there.Registration : null;
                var isFresh = batch.IsLive && registration.Clock != default;
                clocks.Observe(id, registration.Clock, isFresh);
                Workers.Put(id, registration, isFresh ? registration.Clock - clocks.OwnNow : null);
                if (known is null || WorkerTable.IsOther(known, registration))
                {
                    Note(new ClusterChange.WorkerPut(id, known is null));
                }
            }
        }
    }

    /// <summary>Time has passed.</summary>
    public void Tick(DateTimeOffset now)
    {
        Workers.Expire(now);
        if (now < _ticked)
        {
            foreach (var job in Jobs.Sorted)
            {
                job.ForgetNext();
            }
        }

        var elapsed = _time.GetElapsedTime(0);
        Endings.LoadInTurn(elapsed - (_elapsed ?? elapsed));
        (_ticked, _elapsed) = (now, elapsed);
    }

    private void Note(ClusterChange change)
    {
        if (KeepsChanges)
        {
            _changes.Add(change);
        }
    }

    private void AwaitEnding(ChangeBatch batch, string job, string runId)
    {
        if (!batch.IsOtherData && Jobs.Find(job) is not null)
        {
            EndingQueries.Await(job, runId);
        }
    }
}
