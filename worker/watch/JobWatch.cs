using System.Threading.Channels;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Dts.Worker.Sessions;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Watches;

/// <summary>Watches jobs, the queue, kill requests, workers and drains in etcd, and sends their changes to the scheduler.</summary>
/// <param name="left">Tells the reaper that a worker has left, so that it settles the worker's runs.</param>
internal sealed class JobWatch(
    EtcdClient etcd,
    Keys keys,
    string workerId,
    CronZone defaultZone,
    ClockCheck clocks,
    OwnDrain drain,
    ChannelWriter<FireEvent> inbox,
    ChannelWriter<bool> left,
    ILogger log)
{
    // Jobs with the same expression and zone share one schedule, because it takes most of a job's memory.
    private readonly Dictionary<(string Text, CronZone Zone), JobSchedule> _shared = [];
    private readonly TaskCompletionSource _workersListed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _drainsListed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async Task RunAsync(CancellationToken stop)
    {
        await foreach (var ended in Task.WhenEach(
            WatchWorkersAsync(stop), WatchDrainsAsync(stop), WatchJobsAsync(stop), WatchQueueAsync(stop), WatchKillersAsync(stop)))
        {
            await ended;
        }

        inbox.Complete();
    }

    private async Task WatchJobsAsync(CancellationToken stop)
    {
        await Task.WhenAll(_workersListed.Task, _drainsListed.Task); // A job is planned for the workers that are known.
        var cursors = await LoadCursorsAsync(stop);
        await foreach (var batch in new Watch(etcd, keys.Jobs).ReadAsync(stop))
        {
            await TellOtherDataAsync(batch);
            foreach (var change in batch.Changes)
            {
                if (!Keys.TryParseName(change.Key, keys.Jobs, out var name))
                {
                    log.JobIgnored(
                        Display.Line(change.Key),
                        "its key has no valid name; expected 1 to 200 bytes of UTF-8 without '/' and control characters");
                    continue;
                }

                await inbox.WriteAsync(Read(name.Value, change, cursors), CancellationToken.None);
            }

            if (cursors is not null)
            {
                cursors = null;
                await inbox.WriteAsync(new FireEvent.JobsListed(), CancellationToken.None);
            }
        }
    }

    /// <summary>The cursors at the start of this worker, by key.</summary>
    private async Task<Dictionary<string, (Cursor Cursor, long Revision)>?> LoadCursorsAsync(CancellationToken stop)
    {
        var cursors = new Dictionary<string, (Cursor, long)>();
        await foreach (var batch in new Watch(etcd, keys.AllFired).ReadAsync(stop))
        {
            foreach (var put in batch.Changes.OfType<KeyChange.Put>())
            {
                if (Cursor.TryParse(put.Value.ToStringUtf8(), out var cursor))
                {
                    cursors[put.Key] = (cursor, put.ModRevision);
                }
            }

            break; // The first batch is the whole table; claims bring the cursors from here on.
        }

        return cursors;
    }

    private FireEvent Read(JobName name, KeyChange change, Dictionary<string, (Cursor Cursor, long Revision)>? cursors)
    {
        if (change is not KeyChange.Put put)
        {
            return new FireEvent.JobGone(name, change.ModRevision, "deleted");
        }

        if (Parse(name, put, out var why) is not { } plan)
        {
            return new FireEvent.JobGone(name, put.ModRevision, why);
        }

        // A job that is newer than its cursor was put by hand: its past is unknown.
        var cursorKey = plan.Mode == JobMode.All ? keys.Fired(name, workerId) : keys.Fired(name);
        var dealtWith = cursors?.TryGetValue(cursorKey, out var found) == true && found.Revision >= put.ModRevision
            ? found.Cursor.PlanTime
            : (DateTimeOffset?)null;
        return new FireEvent.JobPut(name, plan, dealtWith);
    }

    private JobPlan? Parse(JobName name, KeyChange.Put put, out string why)
    {
        if (JobJson.TryParse(put.Value.Memory, out var job, out why) && TryMakeRunnable(name, job, out var schedule, out why))
        {
            return JobPlan.Of(job, schedule.Expression.DependsOnHashKey ? schedule : Share(schedule), put.ModRevision);
        }

        log.JobIgnored(name.Value, why);
        return null;
    }

    private bool TryMakeRunnable(
        JobName name, Job job, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out JobSchedule? schedule, out string why)
    {
        schedule = null;
        why = job.Name != name.Value
            ? $"its name is \"{Display.Line(job.Name)}\"; expected the name in its key"
            : JobRules.FindUnrunnable(job) ?? "";
        return why.Length == 0 && JobSchedule.TryParse(job, defaultZone, out schedule, out why);
    }

    private JobSchedule Share(JobSchedule schedule)
    {
        var key = (schedule.Expression.Text, schedule.Zone);
        if (!_shared.TryGetValue(key, out var shared))
        {
            _shared[key] = shared = schedule;
        }

        return shared;
    }

    private async Task WatchQueueAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.AllQueued).ReadAsync(stop))
        {
            foreach (var change in batch.Changes)
            {
                if (Keys.TryParseRun(change.Key, keys.AllQueued) is not var (name, runId))
                {
                    log.DocumentSkipped(Display.Line(change.Key), "the key names no run of a job");
                }
                else if (change is not KeyChange.Put put)
                {
                    await inbox.WriteAsync(new FireEvent.RunTaken(name, runId), CancellationToken.None);
                }
                else if (Documents.TryReadQueued(runId, put.Value.Span, out var run, out var why))
                {
                    await inbox.WriteAsync(new FireEvent.RunRequested(name, run, put.ModRevision), CancellationToken.None);
                }
                else
                {
                    log.DocumentSkipped(Display.Line(change.Key), why);
                }
            }
        }
    }

    private async Task WatchKillersAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.Killers).ReadAsync(stop))
        {
            await TellOtherDataAsync(batch);
            foreach (var put in batch.Changes.OfType<KeyChange.Put>())
            {
                if (keys.TryParseKiller(put.Key) is var (name, runId))
                {
                    await inbox.WriteAsync(
                        new FireEvent.KillRequested(name, KillRequest.Of(runId, put.Value.ToStringUtf8()), put.ModRevision),
                        CancellationToken.None);
                }
            }
        }
    }

    /// <summary>Each watch detects other data by itself, and may deliver changes of the former data until then.</summary>
    private async Task TellOtherDataAsync(ChangeBatch batch)
    {
        if (batch.IsOtherData)
        {
            await inbox.WriteAsync(new FireEvent.OtherData(), CancellationToken.None);
        }
    }

    private async Task WatchWorkersAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.Workers).ReadAsync(stop))
        {
            foreach (var change in batch.Changes)
            {
                var id = keys.WorkerOf(change.Key);
                if (change is not KeyChange.Put put)
                {
                    clocks.Forget(id);
                    await inbox.WriteAsync(new FireEvent.WorkerLeft(id), CancellationToken.None);
                    left.TryWrite(true);
                    continue;
                }

                var registration = WorkerRegistration.Parse(put.Value.Span);
                clocks.Observe(id, registration?.Clock ?? default, isFresh: batch.IsLive);
                await inbox.WriteAsync(
                    new FireEvent.WorkerJoined(id, registration?.Labels ?? new Dictionary<string, string>()), CancellationToken.None);
            }

            _workersListed.TrySetResult();
        }

        _workersListed.TrySetResult();
    }

    private async Task WatchDrainsAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.AllDrained).ReadAsync(stop))
        {
            foreach (var change in batch.Changes)
            {
                var id = change.Key[keys.AllDrained.Length..];
                if (id == workerId)
                {
                    drain.Set(change is KeyChange.Put put ? Display.Line(put.Value.ToStringUtf8()) : "");
                }

                await inbox.WriteAsync(new FireEvent.Drained(id, change is KeyChange.Put), CancellationToken.None);
            }

            _drainsListed.TrySetResult();
        }

        _drainsListed.TrySetResult();
    }
}
