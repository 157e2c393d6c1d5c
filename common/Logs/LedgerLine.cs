using Dts.Common.Jobs;

namespace Dts.Common.Logs;

/// <summary>One planned time and how it ended: the last attempt's ending counts. In mode all there is one for each worker.</summary>
/// <param name="Note">
/// Why the line is not judged: the time is still to come, or the line stands for a span that is not listed. Empty = the line is judged.
/// </param>
public sealed record LedgerLine(DateTimeOffset PlanTime, IReadOnlyList<LedgerEnding> Endings, string Note = "")
{
    public const string ToCome = "to come";

    /// <summary>The fault of this line; empty = none: each attempt has ended once, or the line is not judged.</summary>
    public string Fault => Endings.Count == 0
        ? Note.Length == 0 ? "no ending" : ""
        : Endings.GroupBy(ending => (ending.Attempt, WorkerOf(ending))).Any(group => group.Count() > 1) ? "two endings" : "";

    public override string ToString() => $"{Cursor.Text(PlanTime)}  " + (Endings.Count == 0
        ? Note.Length == 0 ? "-" : Note
        : string.Join("; ", Endings.Select(ending => $"{ending.Status.Word()} {ending.Worker}{(ending.Attempt > 1 ? $" attempt {ending.Attempt}" : "")}{(ending.Err.Length > 0 ? $" ({ending.Err})" : "")}")))
        + (Fault.Length > 0 ? $"  << {Fault}" : "");

    private static string WorkerOf(LedgerEnding ending) => ending.RunId.IndexOf('@', StringComparison.Ordinal) is >= 0 and var at ? ending.RunId[at..] : "";
}

/// <summary>One ending of a planned time.</summary>
public sealed record LedgerEnding(RunStatus Status, int Attempt, string Worker, string Err, string RunId);
