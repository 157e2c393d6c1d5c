using Dts.Common.Jobs;

namespace Dts.Master.Alerts;

/// <summary>The alerts of one rule that are open for a job or a worker: the value of a key under alerts/state/.</summary>
/// <param name="UpTo">The start of the latest ending that counted, in milliseconds since the epoch.</param>
/// <param name="UpToRun">The run of that ending.</param>
/// <param name="ToldAt">When the last message was made that something is wrong.</param>
internal sealed record AlertState(
    IReadOnlyDictionary<AlertEvent, OpenAlert>? Open = null, long UpTo = 0, string UpToRun = "", DateTimeOffset? ToldAt = null)
{
    public static AlertState Well { get; } = new();

    public IReadOnlyDictionary<AlertEvent, OpenAlert> Open { get; init; } = Open ?? new Dictionary<AlertEvent, OpenAlert>();

    public AlertState With(AlertEvent what, OpenAlert open) =>
        this with { Open = new Dictionary<AlertEvent, OpenAlert>(Open) { [what] = open } };

    public AlertState Without(IEnumerable<AlertEvent> ended) =>
        this with { Open = Open.Where(open => !ended.Contains(open.Key)).ToDictionary() };
}

/// <summary>One thing that is wrong.</summary>
/// <param name="RunId">The run that showed it; empty = no run did.</param>
/// <param name="Times">How many runs in a row had failed.</param>
/// <param name="Threshold">The slowFactor or noSuccessSeconds that it exceeded; 0 = it has none, or an earlier version opened it.</param>
/// <param name="IsTold">A message was made, or none is wanted; false = it waits for the end of a mute or of the quiet time.</param>
internal sealed record OpenAlert(
    DateTimeOffset Since,
    string Reason,
    string RunId = "",
    int Times = 0,
    string LastLine = "",
    RunStatus? Ending = null,
    double Threshold = 0,
    bool IsTold = false);

/// <summary>A turn from well to wrong or back, which makes a message.</summary>
internal sealed record AlertTurn(AlertEvent What, OpenAlert About);

/// <summary>A decision: the next state, and the turns to tell.</summary>
/// <param name="State">The same object as before if nothing has changed.</param>
internal sealed record AlertStep(AlertState State, IReadOnlyList<AlertTurn> Turns)
{
    public AlertStep Then(AlertStep next) => new(next.State, [.. Turns, .. next.Turns]);
}
