using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>What an alert tells of.</summary>
[JsonConverter(typeof(WordsOnly<AlertEvent>))]
public enum AlertEvent
{
    /// <summary>Runs failed or timed out, as many in a row as the alert says.</summary>
    Failing,

    /// <summary>A run has succeeded, or what was wrong has ended in another way.</summary>
    Recovered,

    Missed,

    Lost,

    /// <summary>A run takes several times as long as nearly all before it.</summary>
    Slow,

    /// <summary>No run has succeeded for some time.</summary>
    NoSuccess,

    /// <summary>A worker has left and not come back.</summary>
    WorkerGone,

    /// <summary>A plan time has no ending, or two.</summary>
    LedgerFault,
}

/// <summary>When a message about a job is sent, and by which channel.</summary>
/// <param name="Channel">The name of a channel that the masters have.</param>
/// <param name="On">What is told; failing, missed, lost and recovered unless given.</param>
/// <param name="After">How many runs in a row must have failed or timed out.</param>
/// <param name="SlowFactor">A run is slow when it takes this many times the 95th percentile of the latest runs that succeeded.</param>
/// <param name="NoSuccessSeconds">For how long no run has succeeded.</param>
/// <param name="QuietSeconds">For how long nothing more is told after a message that something is wrong.</param>
public sealed record JobAlert(
    string Channel,
    IReadOnlyList<AlertEvent>? On = null,
    int After = 1,
    double SlowFactor = 3,
    int NoSuccessSeconds = 0,
    int QuietSeconds = 0)
{
    public static IReadOnlyList<AlertEvent> Usual { get; } =
        [AlertEvent.Failing, AlertEvent.Missed, AlertEvent.Lost, AlertEvent.Recovered];

    public IReadOnlyList<AlertEvent> On { get; init; } = On ?? Usual;

    /// <summary>Something of this kind is watched: it is told, or its end is.</summary>
    public bool Watches(AlertEvent what) =>
        On.Contains(what) || (On.All(told => told == AlertEvent.Recovered) && what != AlertEvent.Recovered && Usual.Contains(what));
}
