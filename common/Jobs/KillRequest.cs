namespace Dts.Common.Jobs;

/// <summary>The value of a key under killer/: empty, as the original has it, or a run id (or <c>*</c> for the whole job), and why.</summary>
/// <param name="RunId">Empty = all runs of the job.</param>
public readonly record struct KillRequest(string RunId, string Reason)
{
    private const string Everything = "*";

    public static KillRequest All { get; } = new("", "by request");

    public static KillRequest Parse(string value) => value.Split(' ', 2) switch
    {
        [""] => All,
        [var runId] => new(runId == Everything ? "" : runId, "by request"),
        [var runId, var reason] => new(runId == Everything ? "" : runId, reason),
        _ => All,
    };

    public bool Covers(string runId) => RunId.Length == 0 || RunId == runId;

    public override string ToString() => $"{(RunId.Length > 0 ? RunId : Everything)} {Reason}";
}
