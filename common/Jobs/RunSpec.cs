using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace Dts.Common.Jobs;

/// <summary>
/// One requested run: its plan time, trigger and attempt number. It is the value of a key under queue/, and part of one under runs/.
/// </summary>
/// <param name="Trigger">One of the constants of this type.</param>
/// <param name="NotBefore">The earliest start; for a scheduled run the plan time.</param>
/// <param name="Origin">Distinguishes runs with equal plan times; empty = a scheduled run.</param>
/// <param name="Worker">The only worker that may run it; empty = any worker that matches the job's target.</param>
/// <param name="Avoid">A worker that runs it only if no other can.</param>
/// <param name="ShardIndex">In mode all: this worker's index among those that run it, from 0.</param>
/// <param name="ShardTotal">In mode all: the number of workers that run it; 0 = mode one.</param>
/// <param name="Env">Further variables, for a run requested by hand.</param>
/// <param name="Cause">For a dependent job, the run (<c>job/runId</c>) whose end triggered this one; empty = none, or unknown.</param>
public sealed record RunSpec(
    DateTimeOffset PlanTime,
    string Trigger,
    DateTimeOffset NotBefore,
    int Attempt = 1,
    string Origin = "",
    string Worker = "",
    string Avoid = "",
    int ShardIndex = 0,
    int ShardTotal = 0,
    IReadOnlyDictionary<string, string>? Env = null,
    string Cause = "")
{
    public const string Schedule = "schedule";
    public const string Manual = "manual";
    public const string Retry = "retry";
    public const string Rerun = "rerun";
    public const string Dependent = "dependent";
    public const string Misfire = "misfire";

    [JsonIgnore]
    public string Id => RunId.Of(PlanTime, Origin, Attempt, Worker);

    /// <summary>Whether it waits for its time. Any other run is due when it is requested, whatever the clock of that host says.</summary>
    [JsonIgnore]
    public bool IsForLater => Trigger is Schedule or Retry;

    /// <summary>The scheduled run of a plan time.</summary>
    public static RunSpec Scheduled(DateTimeOffset planTime) => new(planTime, Schedule, planTime);

    /// <summary>The next attempt of the same run.</summary>
    public RunSpec Again(string trigger, DateTimeOffset notBefore, string avoid = "") =>
        this with { Trigger = trigger, NotBefore = notBefore, Attempt = Attempt + 1, Avoid = avoid };
}

/// <summary>
/// A kill request under killer/: for all runs of a job, or for one. Its value is the reason, or empty, as in the original system.
/// </summary>
/// <param name="RunId">Empty = all runs of the job.</param>
public readonly record struct KillRequest(string RunId, string Reason)
{
    private const string ByRequest = "by request";

    public static KillRequest All { get; } = new("", ByRequest);

    public static KillRequest Of(string runId, string value) => new(runId, value.Length > 0 ? value : ByRequest);

    public bool Covers(string runId) => RunId.Length == 0 || RunId == runId;
}

/// <summary>The value of a key under owed/: an ending that is decided, but has no record yet.</summary>
/// <remarks>The transaction that decides the ending puts it. If that worker dies, another one writes the record.</remarks>
/// <param name="Worker">The worker that held the run, or else the one that decided.</param>
/// <param name="Session">The lease of the worker that decided; while it lives, that worker writes the record.</param>
/// <param name="Count">The number of missed fires that this ending stands for; the last one is at the run's plan time.</param>
/// <param name="Since">All of them are after this.</param>
/// <param name="Token">The revision of the claim, if there was one.</param>
public sealed record OwedEnding(
    string Worker,
    string Session,
    RunSpec Run,
    RunStatus Status,
    string Why,
    DateTimeOffset Decided,
    long Count = 0,
    DateTimeOffset? Since = null,
    long Token = 0)
{
    /// <summary>One ending for plan times that nobody claimed.</summary>
    /// <remarks>
    /// If there are several, its id is no run's id: after a restore of etcd, a run that started before may still end, and its record
    /// replaces the one with its id.
    /// </remarks>
    /// <param name="last">The scheduled run of the last of them.</param>
    public static OwedEnding Missed(
        string worker, string session, RunSpec last, string why, DateTimeOffset decided, long count, DateTimeOffset since)
    {
        var run = count > 1 ? last with { Origin = string.Create(CultureInfo.InvariantCulture, $"missed-{count}") } : last;
        return new OwedEnding(worker, session, run, RunStatus.Missed, why, decided, count, since);
    }
}

/// <summary>
/// Identifies a run within its job so that byte order is time order: <c>20261122T100000Z</c> is the scheduled run of that plan time. An
/// origin, an attempt above 1 and a bound worker follow: <c>20261122T100000Z-manual-1a2b3c4d-2@worker-1</c>.
/// </summary>
public static class RunId
{
    private const string TimeFormat = "yyyyMMdd'T'HHmmss'Z'";
    private const int TimeLength = 16;

    public static string Of(DateTimeOffset planTime, string origin = "", int attempt = 1, string worker = "") =>
        planTime.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture)
        + (origin.Length > 0 ? $"-{origin}" : "")
        + (attempt > 1 ? string.Create(CultureInfo.InvariantCulture, $"-{attempt}") : "")
        + (worker.Length > 0 ? $"@{worker}" : "");

    /// <summary>
    /// The origin of the runs that follow from the end of a run. It depends only on that run, so that one end makes one run, however
    /// often it is handled.
    /// </summary>
    /// <param name="cause">The run that ended, <c>job/runId</c>.</param>
    public static string OriginAfter(string cause) =>
        $"after-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(cause)).AsSpan(0, 6))}";

    /// <summary>Parses a run id; false = DTS did not make it.</summary>
    public static bool TryParse(string text, out RunIdParts parts)
    {
        parts = default;
        if (text.Length < TimeLength
            || !DateTimeOffset.TryParseExact(
                text[..TimeLength], TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var planTime))
        {
            return false;
        }

        var (rest, worker) = text[TimeLength..].Split('@', 2) is [var before, var bound] ? (before, bound) : (text[TimeLength..], "");
        var words = rest.Split('-');
        var attempt = 1;
        // An origin is two words, and the second may be digits only.
        if (words.Length is 2 or >= 4 && int.TryParse(words[^1], NumberStyles.None, CultureInfo.InvariantCulture, out attempt))
        {
            words = words[..^1];
        }

        parts = new RunIdParts(planTime, string.Join('-', words.Skip(1)), Math.Max(1, attempt), worker);
        return Of(parts.PlanTime, parts.Origin, parts.Attempt, parts.Worker) == text;
    }
}

/// <summary>The parts of a run id; see <see cref="RunId"/>.</summary>
/// <param name="Origin">Empty = a scheduled run.</param>
/// <param name="Worker">Empty = any worker.</param>
public readonly record struct RunIdParts(DateTimeOffset PlanTime, string Origin, int Attempt, string Worker);

/// <summary>The value of a key under runs/: a run that has been claimed and has not ended.</summary>
/// <param name="Worker">The worker that claimed it.</param>
/// <param name="Session">That worker's lease; when the lease is gone, the run is lost.</param>
public sealed record ClaimedRun(string Worker, string Session, DateTimeOffset Claimed, RunSpec Run);
