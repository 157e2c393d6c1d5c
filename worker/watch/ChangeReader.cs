using System.Diagnostics.CodeAnalysis;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Etcdserverpb;
using Microsoft.Extensions.Logging;
using Mvccpb;

namespace Dts.Worker.Watches;

/// <summary>Reads changes of keys in etcd as events. Without I/O. Null = DTS did not write the key or its value.</summary>
/// <remarks><see cref="ReadJob"/> is not thread-safe: the watch on the jobs is its only caller.</remarks>
internal sealed class ChangeReader(Keys keys, string workerId, CronZone defaultZone, ILogger log)
{
    private const int SharedMax = 100_000;

    private readonly JobReader _jobs = new();

    // Jobs of equal texts share one schedule, because it takes most of a job's memory, and most of the time to read it.
    private readonly Dictionary<(string CronExpr, string TimeZone), JobSchedule> _shared = [];

    /// <summary>Where the cursors of these jobs are.</summary>
    /// <param name="jobs">In the order of their keys.</param>
    public IEnumerable<RangeRequest> CursorsOf(IReadOnlyList<KeyChange.Put> jobs)
    {
        if (jobs.Count == 0)
        {
            yield break;
        }

        var (first, last) = (keys.AllFired + jobs[0].Key[keys.Jobs.Length..], keys.AllFired + jobs[^1].Key[keys.Jobs.Length..]);
        yield return new RangeRequest { Key = Txn.Bytes(first), RangeEnd = Txn.EndOf($"{last}/") };

        // '-' sorts before '/', so fired/a-b/… precedes fired/a/…, which the range above may miss.
        foreach (var stem in jobs.SkipLast(1).Where(job => jobs[^1].Key.StartsWith(job.Key, StringComparison.Ordinal)))
        {
            yield return TableLoader.Under($"{keys.AllFired}{stem.Key[keys.Jobs.Length..]}/");
        }
    }

    /// <param name="cursors">Receives the cursors, by key.</param>
    public static void ReadCursors(IEnumerable<KeyValue> found, Dictionary<string, FoundCursor> cursors)
    {
        foreach (var pair in found)
        {
            if (Cursor.TryParse(pair.Value.ToStringUtf8(), out var cursor))
            {
                cursors[pair.Key.ToStringUtf8()] = new FoundCursor(cursor.PlanTime, pair.ModRevision);
            }
        }
    }

    /// <param name="cursors">The cursors when this worker started; null = the job was put later.</param>
    public FireEvent? ReadJob(KeyChange change, IReadOnlyDictionary<string, FoundCursor>? cursors)
    {
        if (!Keys.TryParseName(change.Key, keys.Jobs, out var parsed))
        {
            log.JobIgnored(
                Display.Line(change.Key), "it is no job name: expected 1 to 200 bytes of UTF-8 without '/' and control characters");
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
        _jobs.TryParse(put.Value.Memory, out var job, out why, out var unrunnable)
        && TryMakeRunnable(name, job, unrunnable, out var schedule, out why)
            ? JobPlan.Of(job, schedule, put.ModRevision)
            : null;

    private bool TryMakeRunnable(JobName name, Job job, string unrunnable, [NotNullWhen(true)] out JobSchedule? schedule, out string why)
    {
        schedule = null;
        why = job.Name != name.Value
            ? $"its name says \"{Display.Line(job.Name)}\", its key says otherwise; expected the same"
            : unrunnable;
        return why.Length == 0 && TryReadSchedule(job, out schedule, out why);
    }

    private bool TryReadSchedule(Job job, [NotNullWhen(true)] out JobSchedule? schedule, out string why)
    {
        why = "";
        if (_shared.TryGetValue((job.CronExpr, job.TimeZone), out schedule))
        {
            return true;
        }

        if (!JobSchedule.TryParse(job, defaultZone, out schedule, out why))
        {
            return false;
        }

        if (!schedule.Expression.DependsOnHashKey)
        {
            if (_shared.Count == SharedMax)
            {
                _shared.Clear(); // Those of deleted jobs must not stay forever.
            }

            _shared[(job.CronExpr, job.TimeZone)] = schedule;
        }

        return true;
    }

    /// <summary>Where a job's fires stood when this worker started.</summary>
    /// <param name="Revision">The revision at which the cursor was put.</param>
    internal readonly record struct FoundCursor(DateTimeOffset PlanTime, long Revision);
}
