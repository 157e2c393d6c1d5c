using System.Text.Json;
using Dts.Common;
using Dts.Common.Etcd;
using Dts.Common.Etcd.Wire;
using Dts.Common.Jobs;

namespace Dts.Master;

/// <summary>The runs that have not ended: in flight, or in the queue.</summary>
internal sealed class RunList(EtcdClient etcd, Keys keys)
{
    public async Task<IReadOnlyList<RunInSight>> ListAsync(CancellationToken cancel)
    {
        // The queue first: a run that is claimed between the reads is in both, not in none.
        var queued = (await etcd.ListAsync(keys.AllQueued, cancel)).Select(Queued).OfType<RunInSight>().ToList();
        var pairs = await etcd.ListAsync(keys.AllRuns, cancel);
        var kills = (await etcd.ListAsync(keys.Killers, cancel)).ToDictionary(pair => pair.Key.ToStringUtf8());
        var inFlight = pairs.Select(pair => InFlight(pair, kills)).OfType<RunInSight>().ToList();
        return [.. inFlight, .. queued.ExceptBy(inFlight.Select(PlaceOf), PlaceOf)];
    }

    private static (string, string) PlaceOf(RunInSight run) => (run.JobName, run.RunId);

    private RunInSight? InFlight(KeyValue pair, Dictionary<string, KeyValue> kills)
    {
        if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllRuns) is not var (name, runId) || !TryParse(() => JsonSerializer.Deserialize(pair.Value.Span, DtsJson.Readable.RunInFlight), out var run))
        {
            return null;
        }

        var isKillAsked = new[] { keys.Killer(name), keys.Killer(name, runId) }.Any(key => kills.TryGetValue(key, out var kill) && kill.ModRevision > pair.CreateRevision);
        return new RunInSight(name.Value, runId, run!.Run, run.Worker, run.Claimed, isKillAsked);
    }

    private RunInSight? Queued(KeyValue pair) =>
        Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllQueued) is var (name, runId) && TryParse(() => JsonSerializer.Deserialize(pair.Value.Span, DtsJson.Readable.RunSpec), out var run)
            ? new RunInSight(name.Value, runId, run!, "", null, IsKillAsked: false)
            : null;

    private static bool TryParse<T>(Func<T?> parse, out T? value)
        where T : class
    {
        try
        {
            value = parse();
            return value is not null;
        }
        catch (JsonException)
        {
            value = null; // None of ours.
            return false;
        }
    }
}
