using System.Diagnostics.CodeAnalysis;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Watches;

/// <summary>Reads changes of keys in etcd as events. Without I/O. Null = DTS did not write the key or its value.</summary>
/// <remarks><see cref="ReadJob"/> is not thread-safe: the watch on the jobs is its only caller.</remarks>
internal sealed class ChangeReader(Keys keys, string workerId, CronZone defaultZone, ILogger log)
{
    // Jobs of equal text and zone share one schedule, because it takes most of a job's memory.
    private readonly Dictionary<(string Text, CronZone Zone), JobSchedule> _shared = [];

    /// <summary>The cursors in a listing, by key.</summary>
    public static Dictionary<string, FoundCursor> ReadCursors(IEnumerable<KeyChange> listed)
    {
        var cursors = new Dictionary<string, FoundCursor>();
        foreach (var put in listed.OfType<KeyChange.Put>())
        {
            if (Cursor.TryParse(put.Value.ToStringUtf8(), out var cursor))
            {
                cursors[put.Key] = new FoundCursor(cursor.PlanTime, put.ModRevision);
            }
        }

        return cursors;
    }

    /// <param name="cursors">The cursors when this worker started; null = the job was put later.</param>
    public FireEvent? ReadJob(KeyChange change, IReadOnlyDictionary<string, FoundCursor>? cursors)
    {
        if (!Keys.TryParseName(change.Key, keys.Jobs, out var parsed))
        {
            log.JobIgnored(
                Display.Line(change.Key), "its name is none: expected 1 to 200 bytes of UTF-8 without '/' and control characters");
            return null;
        }

        var name = parsed.Value;
        if (change is not KeyChange.Put put)
        {
            return new FireEvent.JobGone(name, change.ModRevision, "deleted");
        }

        if (ReadPlan(name, put, out var why) is not { } plan)
        {
            log.JobIgnored(name.Value, why);
            return new FireEvent.JobGone(name, put.ModRevision, why);
        }

        // A job that is newer than its cursor was put by hand: its past is unknown.
        var cursorKey = plan.Mode == JobMode.All ? keys.Fired(name, workerId) : keys.Fired(name);
        var dealtWith = cursors?.TryGetValue(cursorKey, out var found) == true && found.Revision >= put.ModRevision
            ? found.PlanTime
            : (DateTimeOffset?)null;
        return new FireEvent.JobPut(name, plan, dealtWith);
    }

    public FireEvent? ReadQueued(KeyChange change)
    {
        if (Keys.TryParseRun(change.Key, keys.AllQueued) is not var (name, runId))
        {
            log.DocumentSkipped(Display.Line(change.Key), "the key names no run of a job");
            return null;
        }

        if (change is not KeyChange.Put put)
        {
            return new FireEvent.RunTaken(name, runId);
        }

        if (!Documents.TryReadQueued(runId, put.Value.Span, out var run, out var why))
        {
            log.DocumentSkipped(Display.Line(change.Key), why);
            return null;
        }

        return new FireEvent.RunRequested(name, run, put.ModRevision);
    }

    public FireEvent? ReadKill(KeyChange change) =>
        change is KeyChange.Put put && keys.TryParseKiller(put.Key) is var (name, runId)
            ? new FireEvent.KillRequested(name, KillRequest.Of(runId, put.Value.ToStringUtf8()), put.ModRevision)
            : null;

    public FireEvent ReadWorker(KeyChange change, out WorkerRegistration? registration)
    {
        registration = change is KeyChange.Put put ? WorkerRegistration.Parse(put.Value.Span) : null;
        var id = keys.WorkerOf(change.Key);
        return change is KeyChange.Put
            ? new FireEvent.WorkerJoined(id, registration?.Labels ?? new Dictionary<string, string>())
            : new FireEvent.WorkerLeft(id);
    }

    public FireEvent.Drained ReadDrain(KeyChange change) => new(change.Key[keys.AllDrained.Length..], change is KeyChange.Put);

    private JobPlan? ReadPlan(JobName name, KeyChange.Put put, out string why) =>
        JobJson.TryParse(put.Value.Memory, out var job, out why) && TryMakeRunnable(name, job, out var schedule, out why)
            ? JobPlan.Of(job, schedule.Expression.DependsOnHashKey ? schedule : Share(schedule), put.ModRevision)
            : null;

    private bool TryMakeRunnable(JobName name, Job job, [NotNullWhen(true)] out JobSchedule? schedule, out string why)
    {
        schedule = null;
        why = job.Name != name.Value
            ? $"its name says \"{Display.Line(job.Name)}\", its key says otherwise; expected the same"
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

    /// <summary>Where a job's fires stood when this worker started.</summary>
    /// <param name="Revision">At which the cursor was put.</param>
    internal readonly record struct FoundCursor(DateTimeOffset PlanTime, long Revision);
}
