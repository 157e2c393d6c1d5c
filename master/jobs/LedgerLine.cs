using System.Text.Json.Serialization;
using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>The plan times of a span.</summary>
/// <param name="Unknown">The line for the time before the known schedules; null = they cover the span.</param>
/// <param name="More">The next plan time, if the list is full; null = it is complete.</param>
internal sealed record LedgerPlan(LedgerLine? Unknown, IReadOnlyList<DateTimeOffset> Times, DateTimeOffset? More);

/// <summary>One planned time and how it ended: the last attempt's ending counts. In mode all there is one for each worker.</summary>
/// <param name="Note">
/// Why the line is not judged: its time is still to come, its run goes on, or it stands for a span without plan times. Empty = it is
/// judged.
/// </param>
/// <param name="Live">The run of this time that has not ended; null = there is none, or etcd was not asked.</param>
/// <param name="Missing">For a line without an ending: how far the fire came; empty = not known.</param>
internal sealed record LedgerLine(
    DateTimeOffset PlanTime, IReadOnlyList<LedgerEnding> Endings, string Note = "", LiveFire? Live = null, string Missing = "")
{
    public const string ToCome = "to come";

    public const string Planned = "planned";
    public const string Unknown = "unknown";

    private const string Master = "master";

    // If a fire ran on several workers, the worst ending counts.
    private static readonly RunStatus[] WorstFirst =
    [
        RunStatus.Lost, RunStatus.Missed, RunStatus.TimedOut, RunStatus.Failed, RunStatus.Killed, RunStatus.Cancelled, RunStatus.Skipped,
        RunStatus.Succeeded,
    ];

    /// <summary>The fault of this line; empty = none: each attempt has ended once, or the line is not judged.</summary>
    public string Fault => Endings.Count == 0
        ? Note.Length == 0 ? "no ending" : ""
        : Endings.GroupBy(ending => (ending.Attempt, WorkerOf(ending))).Any(group => group.Count() > 1) ? "two endings" : "";

    /// <summary>An ending's word, or how far the fire has come: planned, queued, running, unknown.</summary>
    public string Ending => Live?.State ?? Counting?.Status.Word() ?? (Note == ToCome ? Planned : Unknown);

    public string Reason
    {
        get
        {
            if (Fault.Length > 0)
            {
                return Endings.Count == 0
                    ? Missing.Length > 0 ? Missing : "no record of its ending is in the log"
                    : $"two endings of one attempt: {string.Join("; ", Endings)}";
            }

            return Note.Length > 0 ? Note : Counting?.Reason ?? "";
        }
    }

    /// <summary>Who has decided the ending, or has the run now: worker, master, or empty.</summary>
    public string DecidedBy => Worker.Length == 0 ? "" : Worker == Master ? Master : "worker";

    /// <summary>That worker's id.</summary>
    public string Worker => Live?.Worker ?? Counting?.Worker ?? "";

    /// <summary>The ending that counts: the worst of all workers' last attempts. Null = there is none.</summary>
    [JsonIgnore]
    public LedgerEnding? Counting => Endings
        .GroupBy(WorkerOf)
        .Select(attempts => attempts.MaxBy(ending => ending.Attempt))
        .OfType<LedgerEnding>()
        .MinBy(ending => Array.IndexOf(WorstFirst, ending.Status));

    public override string ToString()
    {
        var endings = Endings.Count > 0 ? string.Join("; ", Endings) : Note.Length > 0 ? Note : "-";
        return $"{Cursor.Text(PlanTime)}  {endings}{(Fault.Length > 0 ? $"  << {Fault}" : "")}";
    }

    private static string WorkerOf(LedgerEnding ending) =>
        ending.RunId.IndexOf('@', StringComparison.Ordinal) is >= 0 and var at ? ending.RunId[at..] : "";
}

/// <summary>A run of a planned time that has not ended.</summary>
/// <param name="State">planned: nobody has claimed it; queued; running: claimed, and perhaps not started.</param>
/// <param name="Worker">Who holds it; empty = nobody.</param>
internal sealed record LiveFire(string State, string RunId, int Attempt, string Worker);

/// <summary>One ending of a planned time.</summary>
/// <param name="DurationMs">0 = it never started.</param>
internal sealed record LedgerEnding(RunStatus Status, int Attempt, string Worker, string Err, string RunId, long DurationMs = 0)
{
    [JsonIgnore]
    public string Reason => Err.Length > 0 ? Err : $"ended on {Worker} after {InWords(TimeSpan.FromMilliseconds(DurationMs))}";

    public override string ToString()
    {
        var attempt = Attempt > 1 ? $" attempt {Attempt}" : "";
        return $"{Status.Word()} {Worker}{attempt}{(Err.Length > 0 ? $" ({Err})" : "")}";
    }

    private static string InWords(TimeSpan took) => took switch
    {
        { TotalSeconds: < 1 } => $"{took.Milliseconds} ms",
        { TotalMinutes: < 1 } => $"{took.Seconds} s",
        { TotalHours: < 1 } => $"{took.Minutes} min {took.Seconds} s",
        _ => $"{(long)took.TotalHours} h {took.Minutes} min",
    };
}
