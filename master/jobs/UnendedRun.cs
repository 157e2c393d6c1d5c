using System.Globalization;
using System.Text.Json.Serialization;
using Dts.Common.Jobs;
using Dts.Master.Logs;
using Mvccpb;

namespace Dts.Master.Jobs;

/// <summary>A run that has not ended, without the variables of its request, which may be secret.</summary>
/// <param name="State">queued; claimed: a worker has it and its time has not come; running: its time has come.</param>
/// <param name="NotBefore">When it may start.</param>
/// <param name="ClaimedAt">Null = it waits in the queue.</param>
/// <param name="Worker">Who holds it, or the only one that may; empty = any.</param>
/// <param name="Cause">The run (job/runId) whose end led to it; empty = none, or not known.</param>
internal sealed record UnendedRun(
    string JobName,
    string RunId,
    string State,
    DateTimeOffset PlanTime,
    DateTimeOffset NotBefore,
    DateTimeOffset? ClaimedAt,
    string Worker,
    int Attempt,
    string Trigger,
    string Cause,
    bool IsKillAsked)
{
    public const string Queued = "queued";
    public const string Claimed = "claimed";
    public const string Running = "running";
    public const string Ended = "ended";

    /// <summary>Empty = it waits in the queue.</summary>
    [JsonIgnore]
    public string ClaimedBy => ClaimedAt is null ? "" : Worker;

    public static UnendedRun InQueue(string job, string runId, RunSpec run) => Of(job, runId, run, null, run.Worker, isKillAsked: false);

    public static UnendedRun InFlight(string job, string runId, ClaimedRun run, bool isKillAsked) =>
        Of(job, runId, run.Run, run.Claimed, run.Worker, isKillAsked);

    /// <summary>Reads the runs of jobs from their keys in etcd. A run that is just being claimed comes once.</summary>
    /// <param name="kills">The requests to end them; empty = they were not read.</param>
    /// <param name="report">Called with each value that DTS did not write, and why.</param>
    public static IEnumerable<UnendedRun> Read(
        Keys keys,
        IEnumerable<KeyValue> inFlight,
        IEnumerable<KeyValue> queued,
        IReadOnlyCollection<KeyValue> kills,
        Action<KeyValue, string> report)
    {
        return inFlight.Select(ReadInFlight).Concat(queued.Select(ReadQueued)).OfType<UnendedRun>()
            .DistinctBy(run => (run.JobName, run.RunId));

        UnendedRun? ReadInFlight(KeyValue pair) =>
            Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllRuns) is not var (name, runId) ? null
            : Documents.TryReadInFlight(runId, pair.Value.Span, out var run, out var why)
                ? InFlight(name, runId, run, kills.Any(kill => kill.ModRevision > pair.CreateRevision
                    && kill.Key.ToStringUtf8() is var key && (key == keys.Killer(name) || key == keys.Killer(name, runId))))
            : Skip(pair, why);

        UnendedRun? ReadQueued(KeyValue pair) =>
            Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllQueued) is not var (name, runId) ? null
            : Documents.TryReadQueued(runId, pair.Value.Span, out var run, out var why) ? InQueue(name, runId, run)
            : Skip(pair, why);

        UnendedRun? Skip(KeyValue pair, string why)
        {
            report(pair, why);
            return null;
        }
    }

    /// <summary>The run at a moment: a claimed run is running from its time on.</summary>
    public UnendedRun At(DateTimeOffset now) => State == Claimed && NotBefore <= now ? this with { State = Running } : this;

    private static UnendedRun Of(
        string job, string runId, RunSpec run, DateTimeOffset? claimed, string worker, bool isKillAsked) => new(
        job,
        runId,
        claimed is null ? Queued : Claimed,
        run.PlanTime,
        run.NotBefore,
        claimed,
        worker,
        run.Attempt,
        run.Trigger,
        run.Cause,
        isKillAsked);
}

/// <summary>A place between two runs that have not ended: first those in flight, the latest first, then those in the queue.</summary>
/// <param name="NotBefore">When the run may start, in ticks.</param>
internal readonly record struct UnendedCursor(bool IsQueued, long NotBefore, string JobName, string RunId) : IComparable<UnendedCursor>
{
    private const string Waiting = "queued";
    private const string Held = "held";

    public static UnendedCursor Of(UnendedRun run) =>
        new(run.State == UnendedRun.Queued, run.NotBefore.UtcTicks, run.JobName, run.RunId);

    /// <returns>Null = the text is not such a place.</returns>
    public static UnendedCursor? Parse(string text) =>
        CursorText.Read(text, 3) is [Waiting or Held, var time, var id] parts
        && long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
        && id.Split('/', 2) is [var job, var runId]
            ? new UnendedCursor(parts[0] == Waiting, ticks, job, runId)
            : null;

    public int CompareTo(UnendedCursor other)
    {
        var byTime = (IsQueued, -NotBefore).CompareTo((other.IsQueued, -other.NotBefore));
        var byName = byTime != 0 ? byTime : string.CompareOrdinal(JobName, other.JobName);
        return byName != 0 ? byName : string.CompareOrdinal(RunId, other.RunId);
    }

    public override string ToString() => CursorText.Write(
        string.Create(CultureInfo.InvariantCulture, $"{(IsQueued ? Waiting : Held)} {NotBefore} {JobName}/{RunId}"));
}
