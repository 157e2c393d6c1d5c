using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Master.Jobs;

/// <summary>Asks in etcd for runs of a job, and for their end. Workers do the rest.</summary>
internal sealed class JobRuns(EtcdClient etcd, Keys keys, TimeProvider time, ForeignValues foreign)
{
    private static readonly TimeSpan KillStandsFor = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan KillsShareFor = TimeSpan.FromSeconds(1);

    private readonly RequestLease _killLease = new(etcd, time, KillStandsFor, KillsShareFor);

    /// <summary>Puts a run of a job into the queue and returns its id; null = there is no such job.</summary>
    public async Task<string?> RunAsync(JobName name, RunRequest request, CancellationToken cancel)
    {
        var run = MakeRun(request);
        var put = Txn.If(Txn.Exists(keys.Job(name))).Then(PutQueued(name, run));
        // Not repeatable: the first request may have been claimed by then, and the job would run again.
        return (await etcd.TxnAsync(put, cancel: cancel)).Succeeded ? run.Id : null;
    }

    /// <summary>The same for a request that may be sent again, to any master: only the first one runs the job.</summary>
    /// <param name="key">Names the request within its job.</param>
    /// <param name="digest">Of what it asks for.</param>
    /// <param name="lease">How long the request is remembered.</param>
    public async Task<RunOnce> RunOnceAsync(
        JobName name, RunRequest request, string key, string digest, LeaseId lease, CancellationToken cancel)
    {
        var run = MakeRun(request);
        var mark = JsonSerializer.Serialize(new RequestMark(digest, run.Id), RequestsJson.Default.RequestMark);
        var first = Txn.If(Txn.Missing(keys.Request(name, key)), Txn.Exists(keys.Job(name)))
            .Then(PutQueued(name, run), Txn.Put(keys.Request(name, key), mark, lease))
            .Else(Txn.Get(keys.Request(name, key)));
        var answer = await etcd.TxnAsync(first, repeatable: true, cancel);
        if (answer.Succeeded)
        {
            return new RunOnce.Accepted(run.Id, IsRepeated: false);
        }

        return answer.Responses[0].ResponseRange.Kvs.FirstOrDefault() is not { } pair ? new RunOnce.NoSuchJob()
            : JsonSerializer.Deserialize(pair.Value.Span, RequestsJson.Default.RequestMark) is { } known && known.Digest == digest
                ? new RunOnce.Accepted(known.RunId, IsRepeated: known.RunId != run.Id)
            : new RunOnce.OtherRequest();
    }

    /// <summary>
    /// Asks for the end of a job's runs. The request stays while one of them is in flight, so it also reaches workers that are cut off now.
    /// </summary>
    /// <returns>Null = nothing was requested, because there is neither such a job nor such a run.</returns>
    /// <param name="mustExist">False = an unknown job may be named.</param>
    public async Task<KillEffect?> KillAsync(JobName name, KillRequest request, CancellationToken cancel, bool mustExist = false)
    {
        var state = await etcd.TxnAsync(
            Txn.All([Txn.List(keys.Runs(name), keysOnly: true), Txn.List(keys.QueueOf(name)), Txn.Get(keys.Job(name))]),
            repeatable: true,
            cancel);
        var running = Covered(state.Responses[0], keys.Runs(name)).Select(run => run.RunId).ToList();
        var queued = Covered(state.Responses[1], keys.QueueOf(name));
        var isKnown = request.RunId.Length == 0 && state.Responses[2].ResponseRange.Kvs.Count > 0;
        if (mustExist && !isKnown && running.Count + queued.Count == 0)
        {
            return null;
        }

        List<string> cancelled = [];
        foreach (var (runId, waiting) in queued)
        {
            switch (await TryCancelAsync(name, runId, waiting, request, cancel))
            {
                case true:
                    cancelled.Add(runId);
                    break;
                case false when !running.Contains(runId):
                    running.Add(runId);
                    break;
            }
        }

        // If nothing is in flight, the request is for a run that is just being claimed, and must expire.
        await (running.Count > 0 ? PutAsync(default) : _killLease.UseAsync(PutAsync, cancel));
        return new KillEffect(running, cancelled);

        Task<PutResponse> PutAsync(LeaseId lease) =>
            etcd.PutAsync(keys.Killer(name, request.RunId), request == KillRequest.All ? "" : request.Reason, lease, cancel);

        List<(string RunId, KeyValue Pair)> Covered(ResponseOp answer, string under) =>
        [
            .. answer.ResponseRange.Kvs.Select(pair => (RunId: pair.Key.ToStringUtf8()[under.Length..], pair))
                .Where(run => request.Covers(run.RunId)),
        ];
    }

    /// <summary>Cancels a run in the queue. False = a worker has just claimed it; null = it is gone, or DTS did not write it.</summary>
    private async Task<bool?> TryCancelAsync(
        JobName name, string runId, KeyValue waiting, KillRequest request, CancellationToken cancel)
    {
        if (!Documents.TryReadQueued(runId, waiting.Value.Span, out var run, out var why))
        {
            foreign.Report(waiting, why);
            return null;
        }

        var owed = new OwedEnding(
            JobTxn.By, "-", run, RunStatus.Cancelled, $"killed before it started: {request.Reason}", time.GetUtcNow());
        var key = waiting.Key.ToStringUtf8();
        var answer = await etcd.TxnAsync(
            Txn.If(Txn.Unchanged(key, waiting.ModRevision))
                .Then(Txn.Delete(key), Txn.Put(keys.Owed(name, run.Id), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding)))
                .Else(Txn.Get(keys.Run(name, runId))),
            cancel: cancel);
        return answer.Succeeded ? true : answer.Responses[0].ResponseRange.Kvs.Count > 0 ? false : null;
    }

    private RunSpec MakeRun(RunRequest request)
    {
        var now = time.GetUtcNow();
        var origin = $"manual-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6))}";
        return new RunSpec(
            DateTimeOffset.FromUnixTimeSeconds((request.PlanTime ?? now).ToUnixTimeSeconds()),
            RunSpec.Manual,
            now,
            Origin: origin,
            Worker: request.Worker,
            Env: request.Env);
    }

    private RequestOp PutQueued(JobName name, RunSpec run) =>
        Txn.Put(keys.Queued(name, run.Id), JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec));
}

/// <summary>A request to run a job now.</summary>
/// <param name="Worker">The only worker that may run the job; empty = any worker that matches the job's target.</param>
/// <param name="Env">Variables beyond the job's own.</param>
/// <param name="PlanTime">A past time that the run makes up for: its command finds it in DTS_PLAN_TIME. Null = now.</param>
internal sealed record RunRequest(
    string Worker = "", IReadOnlyDictionary<string, string>? Env = null, DateTimeOffset? PlanTime = null);

/// <summary>The runs that a kill request covers.</summary>
/// <param name="Running">Ids of the runs in flight whose workers are asked to end them.</param>
/// <param name="Cancelled">Ids of the runs that ended in the queue.</param>
internal sealed record KillEffect(IReadOnlyList<string> Running, IReadOnlyList<string> Cancelled);

/// <summary>The outcome of a request to run a job that may be sent twice.</summary>
internal abstract record RunOnce
{
    private RunOnce()
    {
    }

    /// <summary>The run is in the queue; after a repeated request, it is or was there.</summary>
    public sealed record Accepted(string RunId, bool IsRepeated) : RunOnce;

    public sealed record NoSuchJob : RunOnce;

    /// <summary>An earlier request with this key asked for something else.</summary>
    public sealed record OtherRequest : RunOnce;
}

/// <summary>The value of a key under requests/: a request that gets the same answer when it is sent again.</summary>
/// <param name="Digest">Of what it asked for.</param>
internal sealed record RequestMark(string Digest, string RunId);

/// <summary>The JSON under requests/ in etcd.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RequestMark))]
internal sealed partial class RequestsJson : JsonSerializerContext;
