using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Sessions;
using Etcdserverpb;

namespace Dts.Tests.Simulation;

/// <summary>Keeps a worker registered, as <see cref="SessionKeeper"/> does.</summary>
internal sealed class SimSession(SimWorld world, SimWorker worker, SimCluster cluster)
{
    private const long RetryPause = 300 * SimWorld.Ms;
    private const long DescribeEvery = 10 * SimWorld.Second;

    private readonly string _key = cluster.Keys.Worker(worker.Host.Id);
    private readonly ProcessIdentity _process = new(worker.Host.Id, ++worker.Host.Processes, 0);
    private readonly long _ttl = cluster.Ttl.Ticks / TimeSpan.TicksPerMicrosecond;
    private long _describedAt;

    public Session? Current { get; private set; }

    public bool HadOne { get; private set; }

    public void Start() => Open();

    private void Open()
    {
        var sentAt = world.Now;
        worker.Link.Call(
            worker,
            etcd => etcd.Grant(new LeaseGrantRequest { TTL = (long)cluster.Ttl.TotalSeconds }, world.Time),
            granted => Register(new LeaseId(granted.ID), sentAt),
            _ => worker.In(RetryPause, Open));
    }

    private void Register(LeaseId lease, long sentAt) => worker.Link.Txn(
        worker,
        Registration(lease),
        answer =>
        {
            if (answer.Succeeded)
            {
                Opened(lease, sentAt);
            }
            else
            {
                Replace(lease, sentAt, answer.Responses[0].ResponseRange.Kvs[0]);
            }
        },
        _ => worker.In(RetryPause, Open));

    /// <summary>What is there is of a former process of this host, or of this one: hosts have ids of their own.</summary>
    private void Replace(LeaseId lease, long sentAt, Mvccpb.KeyValue found) => worker.Link.Txn(
        worker,
        Txn.If(Txn.Unchanged(_key, found.ModRevision)).Then(Txn.Put(_key, Describe(), lease)),
        answer =>
        {
            if (answer.Succeeded)
            {
                Revoke(new LeaseId(found.Lease));
                Opened(lease, sentAt);
            }
            else
            {
                Revoke(lease);
                worker.In(_ttl / 2, Open);
            }
        },
        _ => worker.In(RetryPause, Open));

    private void Opened(LeaseId lease, long sentAt)
    {
        var session = new Session(lease, cluster.Ttl, sentAt, worker.Host.Clock);
        world.Note("has a session", worker.Host.Id);
        worker.Settler.SettleOwn(session, () =>
        {
            (Current, HadOne) = (session, true);
            worker.In(_ttl / 3, () => Keep(session));
        });
    }

    private void Keep(Session session)
    {
        var sentAt = world.Now;
        worker.Link.Call(
            worker,
            etcd => etcd.KeepAlive(new LeaseKeepAliveRequest { ID = session.Lease.Value }, world.Time),
            answer =>
            {
                if (answer.TTL > 0)
                {
                    Check(session, sentAt);
                }
                else
                {
                    Lose(session);
                }
            },
            failure => KeepAgain(session, failure),
            isRepeatable: true,
            timeout: _ttl / 4);
    }

    /// <summary>Whether the registration is still there.</summary>
    private void Check(Session session, long sentAt) => worker.Link.Txn(
        worker,
        Txn.If(Txn.HasLease(_key, session.Lease)).Else(Txn.Get(_key)),
        answer =>
        {
            if (answer.Succeeded)
            {
                Prolong(session, sentAt);
            }
            else if (answer.Responses[0].ResponseRange.Kvs.Count > 0)
            {
                Lose(session);
            }
            else
            {
                RegisterAgain(session, sentAt);
            }
        },
        failure => KeepAgain(session, failure),
        isRepeatable: true);

    private void RegisterAgain(Session session, long sentAt) => worker.Link.Txn(
        worker,
        Registration(session.Lease),
        answer =>
        {
            if (answer.Succeeded)
            {
                Prolong(session, sentAt);
            }
            else
            {
                Lose(session);
            }
        },
        failure => KeepAgain(session, failure));

    private void Prolong(Session session, long sentAt)
    {
        session.Prolong(sentAt);
        if (world.Now < _describedAt + DescribeEvery)
        {
            worker.In(_ttl / 3, () => Keep(session));
            return;
        }

        _describedAt = world.Now;
        worker.Link.Txn(
            worker,
            Txn.If(Txn.HasLease(_key, session.Lease)).Then(Txn.Put(_key, Describe(), session.Lease)),
            _ => worker.In(_ttl / 3, () => Keep(session)),
            failure => KeepAgain(session, failure));
    }

    private void KeepAgain(Session session, EtcdException failure) =>
        worker.In(failure.Error == EtcdError.Unavailable ? RetryPause : _ttl / 3, () => Keep(session));

    private void Lose(Session session)
    {
        world.Note("has lost its session", worker.Host.Id);
        Current = null;
        session.End();
        worker.In(RetryPause, Open);
    }

    /// <summary>The worker ends: its lease is given back, unless something is left under it.</summary>
    public void End()
    {
        if (Current is { } session)
        {
            Current = null;
            session.End();
            if (worker.Runs.Count == 0)
            {
                Revoke(session.Lease);
            }
        }
    }

    private void Revoke(LeaseId lease) => worker.Link.Call(
        worker, etcd => etcd.Revoke(new LeaseRevokeRequest { ID = lease.Value }), _ => { }, _ => { }, isRepeatable: true);

    private TxnRequest Registration(LeaseId lease)
    {
        _describedAt = world.Now;
        return Txn.If(Txn.Missing(_key)).Then(Txn.Put(_key, Describe(), lease)).Else(Txn.Get(_key));
    }

    private string Describe() => JsonSerializer.Serialize(
        new WorkerRegistration(
            worker.Host.Id, "127.0.0.1", "", _process, cluster.Slots, SimWorld.Epoch, Clock: worker.Wall, Refuses: worker.Clocks.Refusal),
        JobsJson.Readable.WorkerRegistration);
}
