using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Master.Logs;

/// <summary>A record without its output and command: how a run ended.</summary>
/// <param name="PlanTime">Milliseconds since the epoch, as in a record.</param>
/// <param name="StartTime">Of a run that did not start: when that was decided.</param>
/// <param name="Err">At most <see cref="ErrLengthMax"/> characters.</param>
/// <param name="LastLine">The last line of its output, where the record names it; empty = none, or not known.</param>
internal sealed record EndedRun(
    string Job,
    string RunId,
    RunStatus Status,
    long PlanTime,
    long StartTime,
    long EndTime,
    string Worker,
    string Err,
    string LastLine = "")
{
    public const int ErrLengthMax = 300;

    /// <summary>A command ran, so its duration says something.</summary>
    public static bool HasRun(RunStatus status) => status switch
    {
        RunStatus.Succeeded or RunStatus.Failed or RunStatus.TimedOut or RunStatus.Killed => true,
        RunStatus.Lost or RunStatus.Skipped or RunStatus.Missed or RunStatus.Cancelled => false,
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    public static EndedRun Of(RunRecord record) => new(
        record.JobName, RunIdOf(record.Id, record.JobName), record.Status, record.PlanTime, record.StartTime, record.EndTime,
        record.Worker, record.Err.Length <= ErrLengthMax ? record.Err : record.Err[..ErrLengthMax]);

    /// <summary>Records of the original system have ids of other shapes.</summary>
    public static string RunIdOf(string id, string job) =>
        id.Length > job.Length + 1 && id[job.Length] == '/' && id.StartsWith(job, StringComparison.Ordinal) ? id[(job.Length + 1)..] : id;
}
