namespace Dts.Common.Jobs;

/// <summary>What a key under killer/ asks for: the end of all runs of a job, or of one; its value says why, or is empty, as the original has it.</summary>
/// <param name="RunId">Empty = all runs of the job.</param>
public readonly record struct KillRequest(string RunId, string Reason)
{
    private const string ByRequest = "by request";

    public static KillRequest All { get; } = new("", ByRequest);

    public static KillRequest Of(string runId, string value) => new(runId, value.Length > 0 ? value : ByRequest);

    public bool Covers(string runId) => RunId.Length == 0 || RunId == runId;
}
