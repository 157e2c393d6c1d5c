using System.Text.Json;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Tests.Simulation;

/// <summary>People who save, pause, run, kill and drain, through masters that write what <c>JobStore</c> writes.</summary>
internal sealed class SimOperator(SimWorld world, SimCluster cluster)
{
    private const int Tries = 20;
    private const string By = "master";

    private readonly Keys _keys = cluster.Keys;
    private readonly SimMaster _master = new(world);
    private readonly SimLink _link = new(world, cluster.Server);
    private int _requested;

    /// <summary>The way of the masters to etcd.</summary>
    public SimLink Link => _link;

    public void Save(Job job) => Change(JobName.Parse(job.Name), _ => job);

    public void Delete(JobName name) => Change(name, _ => null);

    public void Enable(JobName name, bool enabled) => Change(name, job => job is null ? null : job with { Enabled = enabled });

    public void Run(JobName name, string worker = "")
    {
        var now = world.Time;
        var run = new RunSpec(
            DateTimeOffset.FromUnixTimeSeconds(now.ToUnixTimeSeconds()),
            RunSpec.Manual,
            now,
            Origin: $"manual-{++_requested:x12}",
            Worker: worker);
        world.Note("is requested", "master", $"{name}/{run.Id}");
        _link.Txn(_master, Txn.If(Txn.Exists(_keys.Job(name))).Then(Put(name, run)), _ => { }, _ => { });
    }

    /// <summary>Kills what runs of a job, and cancels what waits of it.</summary>
    public void Kill(JobName name)
    {
        world.Note("its runs are killed", "master", name.Value);
        _link.Txn(
            _master,
            Txn.All([Txn.List(_keys.Runs(name), keysOnly: true), Txn.List(_keys.QueueOf(name))]),
            state =>
            {
                foreach (var waiting in state.Responses[1].ResponseRange.Kvs)
                {
                    Cancel(name, waiting);
                }

                if (state.Responses[0].ResponseRange.Kvs.Count > 0)
                {
                    PutKiller(name, default);
                }
                else
                {
                    _link.Call(
                        _master,
                        etcd => etcd.Grant(new LeaseGrantRequest { TTL = 60 }, world.Time),
                        lease => PutKiller(name, new LeaseId(lease.ID)),
                        _ => { });
                }
            },
            _ => { });
    }

    public void Drain(string worker, bool isOn)
    {
        world.Note(isOn ? "is drained" : "is taken back", worker);
        var key = _keys.Drain(worker);
        _link.Txn(_master, Txn.All([isOn ? Txn.Put(key, "by hand") : Txn.Delete(key)]), _ => { }, _ => { });
    }

    private void PutKiller(JobName name, LeaseId lease) =>
        _link.Txn(_master, Txn.All([Txn.Put(_keys.Killer(name), "", lease)]), _ => { }, _ => { });

    private void Cancel(JobName name, KeyValue waiting)
    {
        var key = waiting.Key.ToStringUtf8();
        if (Documents.TryReadQueued(key[_keys.QueueOf(name).Length..], waiting.Value.Span, out var run, out _))
        {
            var owed = new OwedEnding(By, "-", run, RunStatus.Cancelled, "killed before it started: by request", world.Time);
            _link.Txn(
                _master,
                Txn.If(Txn.Unchanged(key, waiting.ModRevision)).Then(Txn.Delete(key), Put(name, owed)),
                _ => { },
                _ => { });
        }
    }

    private void Change(JobName name, Func<Job?, Job?> change, int tries = 1) => _link.Txn(
        _master,
        Txn.All([
            Txn.Get(_keys.Job(name)),
            Txn.Get(_keys.Fired(name)),
            Txn.List(_keys.FiredByWorkers(name)),
            Txn.Get(_keys.History(name)),
            Txn.List(_keys.Workers)]),
        state =>
        {
            var found = state.Responses.Select(response => response.ResponseRange.Kvs).ToList();
            var previous = found[0].FirstOrDefault() is { } pair && JobJson.TryParse(pair.Value.Memory, out var job, out _) ? job : null;
            var next = change(previous);
            if (previous is null && next is null)
            {
                return;
            }

            world.Note(next is null ? "is deleted" : $"is saved: {next.CronExpr} {(next.Enabled ? "" : "paused")}", "master", name.Value);
            var txn = new TxnRequest();
            txn.Compare.Add(Txn.Unchanged(_keys.Job(name), found[0].FirstOrDefault()?.ModRevision ?? 0));
            txn.Then(next is null ? Txn.Delete(_keys.Job(name)) : Txn.Put(_keys.Job(name), JobJson.ToJson(next)));
            var there = found[4].Select(worker => $"{_keys.Fired(name)}/{_keys.WorkerOf(worker.Key.ToStringUtf8())}").ToHashSet();
            var ofWorkers = found[2].Where(cursor => there.Contains(cursor.Key.ToStringUtf8()));
            var end = MoveCursors(txn, name, previous, next, [found[1].FirstOrDefault(), .. ofWorkers]);
            NoteChange(txn, name, previous, next, found[3].FirstOrDefault(), end);
            _link.Txn(
                _master,
                txn,
                answer =>
                {
                    if (!answer.Succeeded && tries < Tries)
                    {
                        Change(name, change, tries + 1);
                    }
                },
                _ => { });
        },
        _ => { });

    private DateTimeOffset MoveCursors(TxnRequest txn, JobName name, Job? previous, Job? next, IReadOnlyList<KeyValue?> cursors)
    {
        var now = world.Time;
        var ends = previous is { Enabled: true } && !(next is { Enabled: true } && next.CronExpr == previous.CronExpr);
        var begins = next is { Enabled: true } && (previous is not { Enabled: true } || ends);
        var end = now;
        foreach (var pair in cursors)
        {
            var key = pair?.Key.ToStringUtf8() ?? _keys.Fired(name);
            txn.Compare.Add(Txn.Unchanged(key, pair?.ModRevision ?? 0));
            var isSound = Cursor.TryParse(pair?.Value.ToStringUtf8() ?? "", out var cursor);
            var stands = isSound && (cursor.PlanTime >= now || !(begins || ends));
            end = stands && cursor.PlanTime > end ? cursor.PlanTime : end;
            txn.Then(stands ? Txn.Put(key, pair!.Value) : Txn.Put(key, new Cursor(now, By, "-", Cursor.Moved).ToString()));
            if (ends && isSound && !stands && FindMissed(previous!, cursor, key, name, now) is { } owed)
            {
                txn.Then(Put(name, owed));
            }
        }

        return end;
    }

    private OwedEnding? FindMissed(Job job, Cursor cursor, string cursorKey, JobName name, DateTimeOffset now)
    {
        if (!JobSchedule.TryParse(job, CronZone.Utc, out var schedule, out _)
            || schedule.CountBetween(cursor.PlanTime, now.AddTicks(1)) is not (> 0 and var count)
            || (job.Mode == JobMode.All) != (cursorKey != _keys.Fired(name)))
        {
            return null;
        }

        var run = RunSpec.Scheduled(schedule.Latest(now)!.Value) with { Worker = cursorKey[_keys.Fired(name).Length..].TrimStart('/') };
        return new OwedEnding(
            By, "-", run, RunStatus.Missed, "no worker had claimed it when its schedule was changed", now, count, cursor.PlanTime);
    }

    private void NoteChange(TxnRequest txn, JobName name, Job? previous, Job? next, KeyValue? history, DateTimeOffset end)
    {
        txn.Compare.Add(Txn.Unchanged(_keys.History(name), history?.ModRevision ?? 0));
        var (before, after) = (ChangeOf(previous, end), ChangeOf(next, end));
        if (history is null || before != after)
        {
            var known = history is not null && Documents.TryReadHistory(history.Value.Span, out var changes, out _) ? changes : [];
            var all = known.Append(after).TakeLast(ScheduleChange.Kept).ToList();
            txn.Then(Txn.Put(_keys.History(name), JsonSerializer.Serialize(all, JobsJson.Readable.IReadOnlyListScheduleChange)));
        }
    }

    private static ScheduleChange ChangeOf(Job? job, DateTimeOffset after) =>
        job is { Enabled: true } ? new ScheduleChange(after, job.CronExpr, job.TimeZone) : new ScheduleChange(after, "", "");

    private RequestOp Put(JobName name, OwedEnding owed) =>
        Txn.Put(_keys.Owed(name, owed.Run.Id), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding));

    private RequestOp Put(JobName name, RunSpec run) =>
        Txn.Put(_keys.Queued(name, run.Id), JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec));

    private sealed class SimMaster(SimWorld world) : SimProcess(world);
}
