using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Microsoft.Extensions.Logging;
using Mvccpb;

namespace Dts.Worker.Sessions;

/// <summary>Ends runs as lost: with the run's key goes what follows from it, and its ending stands as owed until it is recorded.</summary>
/// <remarks>Should the run's worker live after all, the true ending replaces this one.</remarks>
internal sealed class LostRuns(EtcdClient etcd, Keys keys, Accounts accounts, ClockCheck clocks, ILogger log)
{
    /// <param name="session">Ours, whose business the record is then.</param>
    public async Task EndAsync(KeyValue pair, RunInFlight inFlight, Session session, string why)
    {
        var key = pair.Key.ToStringUtf8();
        if (Keys.TryParseRun(key, keys.AllRuns) is not var (name, runId))
        {
            return;
        }

        var now = clocks.Now;
        var definition = await FindDefinitionAsync(name, pair.CreateRevision);
        var owed = new OwedEnding(
            inFlight.Worker,
            session.Lease.ToString(),
            inFlight.Run,
            RunStatus.Lost,
            $"worker {inFlight.Worker} lost: {why}",
            now,
            Token: pair.CreateRevision);
        var killers = await etcd.TxnAsync(Txn.All([Txn.Get(keys.Killer(name)), Txn.Get(keys.Killer(name, runId))]), repeatable: true);
        var wasKilled = killers.Responses.SelectMany(response => response.ResponseRange.Kvs)
            .Any(killer => killer.ModRevision > pair.CreateRevision);
        var next = definition is not null && JobJson.TryParse(definition.Value.Memory, out var job, out _)
            ? FollowUps.After(name, job, inFlight.Run, RunStatus.Lost, inFlight.Worker, wasKilled, now, Random.Shared.NextDouble())
            : [];
        var queued = next.Select(follow => Txn.Put(
            keys.Queued(follow.Job, follow.Run.Id), JsonSerializer.Serialize(follow.Run, JobsJson.Readable.RunSpec)));
        var end = Txn.If(Txn.Unchanged(key, pair.ModRevision)).Then([
            Txn.Delete(key),
            Txn.Put(keys.Owed(name, runId), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding)),
            .. queued]);
        if ((await etcd.TxnAsync(end)).Succeeded)
        {
            log.RunLost(name, runId, inFlight.Worker, why);
            accounts.TryRecord(name, definition, owed);
        }
    }

    /// <summary>The definition as it was when the run was claimed; when that is compacted away, as it is; null = the job is gone.</summary>
    private async Task<KeyValue?> FindDefinitionAsync(JobName name, long revision)
    {
        try
        {
            return await etcd.FindAsync(keys.Job(name), revision);
        }
        catch (EtcdException compacted) when (compacted.Error == EtcdError.Compacted)
        {
            return await etcd.FindAsync(keys.Job(name));
        }
    }
}
