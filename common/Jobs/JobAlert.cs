using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>The events that an alert reports.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<AlertEvent>))]
public enum AlertEvent
{
    /// <summary>As many runs in a row as the alert says failed or timed out.</summary>
    Failing,

    /// <summary>A run has succeeded, or the fault has ended otherwise.</summary>
    Recovered,

    Missed,

    Lost,

    /// <summary>A run takes several times as long as nearly all earlier ones.</summary>
    Slow,

    /// <summary>No run has succeeded for some time.</summary>
    NoSuccess,

    /// <summary>A worker has left and not come back.</summary>
    WorkerGone,

    /// <summary>A plan time has no ending, or two endings.</summary>
    LedgerFault,
}

/// <summary>When a message about a job is sent, and by which channel.</summary>
/// <param name="Channel">The name of a channel of the masters.</param>
/// <param name="On">The reported events; failing, missed, lost and recovered unless given.</param>
/// <param name="After">The number of runs in a row that failed or timed out.</param>
/// <param name="SlowFactor">A run is slow when it takes this many times the 95th percentile of the latest successful runs.</param>
/// <param name="NoSuccessSeconds">The time without a successful run.</param>
/// <param name="QuietSeconds">After a message about a fault, no further one is sent for so long.</param>
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

    /// <summary>Whether the alert reports this event or its end.</summary>
    public bool Watches(AlertEvent what) =>
        On.Contains(what) || (On.All(told => told == AlertEvent.Recovered) && what != AlertEvent.Recovered && Usual.Contains(what));
}
