using System.Text.Json;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Master.Versions;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Tests.Simulation;

/// <summary>People who save, pause, run, kill and drain, through masters that write what <c>JobStore</c> writes.</summary>
internal sealed class SimOperator(SimWorld world, SimCluster cluster)
{
    private const int Tries = 20;

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

    /// <summary>Kills one run of a job, if one is in flight.</summary>
    public void KillRun(JobName name) => _link.Txn(
        _master,
        Txn.All([Txn.List(_keys.Runs(name), keysOnly: true)]),
        state =>
        {
            var inFlight = state.Responses[0].ResponseRange.Kvs;
            if (inFlight.Count > 0
                && inFlight[world.Random.Next(inFlight.Count)].Key.ToStringUtf8() is var key
                && Keys.TryParseRun(key, _keys.AllRuns) is var (_, runId))
            {
                world.Note("is killed by hand", "master", $"{name}/{runId}");
                _link.Txn(_master, Txn.If(Txn.Exists(key)).Then(Txn.Put(_keys.Killer(name, runId), "by hand")), _ => { }, _ => { });
            }
        },
        _ => { });

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
            var owed = new OwedEnding(JobTxn.By, "-", run, RunStatus.Cancelled, "killed before it started: by request", world.Time);
            _link.Txn(
                _master,
                Txn.If(Txn.Unchanged(key, waiting.ModRevision)).Then(Txn.Delete(key), Put(name, owed)),
                _ => { },
                _ => { });
        }
    }

    private void Change(JobName name, Func<Job?, Job?> change, int tries = 1) => _link.Txn(
        _master,
        Txn.All([.. JobInEtcd.ReadsOf(_keys, name), Txn.List(_keys.Workers)]),
        state =>
        {
            var former = Read([.. state.Responses.Select(response => response.ResponseRange.Kvs)]);
            var next = change(former.Job);
            if ((former.Job is null && next is null) || JobTxn.ChangesNothing(former, next))
            {
                return;
            }

            world.Note(next is null ? "is deleted" : $"is saved: {next.CronExpr} {(next.Enabled ? "" : "paused")}", "master", name.Value);
            var txn = new TxnRequest();
            new JobTxn(_keys, CronZone.Utc, Author.Unknown, world.Time).Add(txn, name, former, next);
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

    /// <summary>As <see cref="JobCalls"/> does.</summary>
    private static JobInEtcd Read(IReadOnlyList<IReadOnlyList<KeyValue>> found)
    {
        var (pair, history) = (One(found[0]), One(found[3]));
        return new JobInEtcd(
            pair,
            pair is not null && JobJson.TryParse(pair.Value.Memory, out var job, out _) ? job : null,
            One(found[1]),
            found[2],
            history,
            history is not null && Documents.TryReadHistory(history.Value.Span, out var changes, out _) ? changes : [],
            found[4],
            Workers: found[5]);

        static KeyValue? One(IReadOnlyList<KeyValue> pairs) => pairs.Count > 0 ? pairs[0] : null;
    }

    private RequestOp Put(JobName name, OwedEnding owed) =>
        Txn.Put(_keys.Owed(name, owed.Run.Id), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding));

    private RequestOp Put(JobName name, RunSpec run) =>
        Txn.Put(_keys.Queued(name, run.Id), JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec));

    private sealed class SimMaster(SimWorld world) : SimProcess(world);
}
