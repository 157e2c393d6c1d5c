using Dts.Common.Jobs;

namespace Dts.Master.Alerts;

/// <summary>What is wrong with a job or a worker, as one rule sees it: the value of a key under alerts/state/.</summary>
/// <param name="Open">What is wrong now.</param>
/// <param name="UpTo">The start of the latest ending that has changed it, in milliseconds since the epoch.</param>
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
/// <param name="RunId">The run that showed it; empty = none did.</param>
/// <param name="Times">How many runs in a row had failed.</param>
/// <param name="IsTold">A message was made, or none is wanted; false = it waits for the end of a mute or of the quiet time.</param>
internal sealed record OpenAlert(
    DateTimeOffset Since,
    string Reason,
    string RunId = "",
    int Times = 0,
    string LastLine = "",
    RunStatus? Ending = null,
    bool IsTold = false);

/// <summary>Something to be told.</summary>
internal sealed record AlertTurn(AlertEvent What, OpenAlert About);

/// <param name="State">The same object as before = nothing has changed.</param>
internal sealed record AlertStep(AlertState State, IReadOnlyList<AlertTurn> Turns);
