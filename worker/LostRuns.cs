using System.Text.Json;
using System.Threading.Channels;
using Dts.Common;
using Dts.Common.Etcd;
using Dts.Common.Etcd.Wire;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>Ends runs as lost.</summary>
/// <remarks>
/// The record goes first: should this worker die between the two, the run is found again and recorded again, which is harmless. Should
/// its worker live after all, the true ending replaces this one.
/// </remarks>
internal sealed class LostRuns(EtcdClient etcd, Keys keys, RecordWriter recorder, ChannelWriter<Ending> endings, TimeProvider time, ILogger log)
{
    public static RunInFlight? Parse(KeyValue pair)
    {
        try
        {
            return JsonSerializer.Deserialize(pair.Value.Span, DtsJson.Readable.RunInFlight);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public async Task EndAsync(KeyValue pair, RunInFlight inFlight, string why)
    {
        var key = pair.Key.ToStringUtf8();
        if (keys.TryParseRun(key) is not var (name, runId))
        {
            return;
        }

        var job = await FindDefinitionAsync(name, pair.CreateRevision);
        var record = recorder.Closed(job, 0, inFlight.PlanTime, RunStatus.Lost, $"worker {inFlight.Worker} lost: {why}", time.GetUtcNow()) with
        {
            Id = $"{name}/{runId}",
            ScheduleTime = inFlight.Claimed.ToUnixTimeMilliseconds(),
            Worker = inFlight.Worker,
            Host = "",
            Attempt = inFlight.Attempt,
            Trigger = inFlight.Trigger,
            FencingToken = pair.CreateRevision,
        };
        if (!endings.TryWrite(new Ending(record, null)))
        {
            return; // full, or the worker is ending: the next look finds it again
        }

        await etcd.TxnAsync(Txn.If(Txn.Unchanged(key, pair.ModRevision)).Then(Txn.Delete(key)));
        log.RunLost(name, runId, inFlight.Worker, why);
    }

    /// <summary>The definition as it was when the run was claimed; when that is gone, as it is; when the job is gone, its name.</summary>
    private async Task<Job> FindDefinitionAsync(JobName name, long revision)
    {
        KeyValue? pair;
        try
        {
            pair = await etcd.FindAsync(keys.Job(name), revision);
        }
        catch (EtcdException compacted) when (compacted.Error == EtcdError.Compacted)
        {
            pair = await etcd.FindAsync(keys.Job(name));
        }

        return pair is not null && JobJson.TryParse(pair.Value.Memory, out var job, out _) ? job : new Job(name.Value, "", "");
    }
}
