using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Mvccpb;

namespace Dts.Master.Jobs;

/// <summary>The runs that have not ended: in flight, or in the queue.</summary>
internal sealed class RunList(EtcdClient etcd, Keys keys, ForeignValues foreign)
{
    public async Task<IReadOnlyList<RunInSight>> ListAsync(CancellationToken cancel)
    {
        // The queue is read first: a run claimed between the two reads appears in both, not in neither.
        var queued = (await etcd.ListAsync(keys.AllQueued, cancel)).Select(Queued).OfType<RunInSight>().ToList();
        var pairs = await etcd.ListAsync(keys.AllRuns, cancel);
        var kills = (await etcd.ListAsync(keys.Killers, cancel)).ToDictionary(pair => pair.Key.ToStringUtf8());
        var inFlight = pairs.Select(pair => InFlight(pair, kills)).OfType<RunInSight>().ToList();
        return [.. inFlight, .. queued.ExceptBy(inFlight.Select(PlaceOf), PlaceOf)];
    }

    private static (string, string) PlaceOf(RunInSight run) => (run.JobName, run.RunId);

    private RunInSight? InFlight(KeyValue pair, Dictionary<string, KeyValue> kills)
    {
        if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllRuns) is not var (name, runId))
        {
            return null;
        }

        if (!Documents.TryReadInFlight(runId, pair.Value.Span, out var run, out var why))
        {
            foreign.Report(pair, why);
            return null;
        }

        var isKillAsked = new[] { keys.Killer(name), keys.Killer(name, runId) }.Any(
            key => kills.TryGetValue(key, out var kill) && kill.ModRevision > pair.CreateRevision);
        return new RunInSight(name.Value, runId, run.Run, run.Worker, run.Claimed, isKillAsked);
    }

    private RunInSight? Queued(KeyValue pair)
    {
        if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllQueued) is not var (name, runId))
        {
            return null;
        }

        if (!Documents.TryReadQueued(runId, pair.Value.Span, out var run, out var why))
        {
            foreign.Report(pair, why);
            return null;
        }

        return new RunInSight(name.Value, runId, run, "", null, IsKillAsked: false);
    }
}

/// <summary>A run that has not ended, as the API shows it.</summary>
/// <param name="Worker">Who holds it; empty = it waits in the queue.</param>
/// <param name="Claimed">Null = it waits in the queue.</param>
/// <param name="IsKillAsked">Its end has been asked for.</param>
internal sealed record RunInSight(string JobName, string RunId, RunSpec Run, string Worker, DateTimeOffset? Claimed, bool IsKillAsked);
