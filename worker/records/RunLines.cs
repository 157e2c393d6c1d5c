using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Records;

/// <summary>The log lines for endings, from runs and records.</summary>
internal static class RunLines
{
    /// <summary>A run has ended: a warning unless it succeeded.</summary>
    public static void Ended(this ILogger log, RunRecord record)
    {
        var runId = record.Id[(record.JobName.Length + 1)..];
        var took = record.EndTime - record.StartTime;
        if (record.Status == RunStatus.Succeeded)
        {
            log.Succeeded(record.JobName, record.Status.Word(), runId, took);
        }
        else
        {
            log.Failed(record.JobName, record.Status.Word(), runId, took, record.Err);
        }
    }

    /// <summary>A planned fire ended without a run.</summary>
    public static void NotRun(this ILogger log, string job, string runId, RunStatus status, string why) =>
        log.EndedUnstarted(job, runId, status.Word(), why);

    public static void RunLost(this ILogger log, JobName job, string runId, string worker, string why) =>
        log.EndedLost(job, runId, RunStatus.Lost.Word(), worker, why);

    public static void RecordRefused(this ILogger log, RunRecord record, string reason, string file) =>
        log.RecordRefused(record.JobName, record.Id[(record.JobName.Length + 1)..], reason, file);
}
