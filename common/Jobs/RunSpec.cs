using System.Text.Json.Serialization;

namespace Dts.Common.Jobs;

/// <summary>What is to be run: for which plan time, why, for the how-manieth time. It is the value of a key under queue/, and part of one under runs/.</summary>
/// <param name="Trigger">Why: one of the words of this type.</param>
/// <param name="NotBefore">When it may start; the plan time itself for the schedule's own.</param>
/// <param name="Origin">Tells runs of one plan time apart; empty = the schedule's own.</param>
/// <param name="Worker">The only worker that may run it; empty = any that the job's target names.</param>
/// <param name="Avoid">A worker that is passed over while there is another.</param>
/// <param name="ShardIndex">In mode all: this worker's place among those that run it, from 0.</param>
/// <param name="ShardTotal">In mode all: how many they are; 0 = mode one.</param>
/// <param name="Env">Variables beyond the job's own, for a run asked for by hand.</param>
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
    IReadOnlyDictionary<string, string>? Env = null)
{
    public const string Schedule = "schedule";
    public const string Manual = "manual";
    public const string Retry = "retry";
    public const string Rerun = "rerun";
    public const string Dependent = "dependent";
    public const string Misfire = "misfire";

    [JsonIgnore]
    public string Id => RunId.Of(PlanTime, Origin, Attempt, Worker);

    /// <summary>The schedule's own run of a plan time.</summary>
    public static RunSpec Scheduled(DateTimeOffset planTime) => new(planTime, Schedule, planTime);

    /// <summary>The same once more.</summary>
    public RunSpec Again(string trigger, DateTimeOffset notBefore, string avoid = "") =>
        this with { Trigger = trigger, NotBefore = notBefore, Attempt = Attempt + 1, Avoid = avoid };
}
