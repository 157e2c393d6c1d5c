using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Runs;

namespace Dts.Worker.Records;

/// <summary>Makes the records of this worker, with a method for each way in which a fire ends.</summary>
internal sealed class RecordWriter(string workerId, string host, TimeSpan retention)
{
    private const int RetentionDaysMax = 36_500; // A job that was put with etcdctl may have any number.

    /// <summary>The command ran.</summary>
    /// <param name="use">What its cgroup measured; null = it had none.</param>
    public RunRecord Ran(Run run, CommandEnding ending, CgroupUse? use) =>
        NotStarted(run, StatusOf(ending.Outcome), Explain(run, ending, use), ending.StartedAt) with
    {
        Output = ending.Output,
        EndTime = ending.EndedAt.ToUnixTimeMilliseconds(),
        ExitCode = ending.ExitCode,
        Signal = ending.Signal,
        CpuMs = Math.Max(ending.CpuMs, use?.CpuMs ?? 0),
        MaxRssKb = ending.MaxRssKb ?? 0,
        PeakMemoryBytes = use?.PeakMemoryBytes ?? 0,
        OomKilled = use?.OomKilled ?? false,
        OutputBytes = ending.OutputBytes,
        OutputTruncated = ending.OutputTruncated,
        OutputStored = ending.OutputStored,
        LastLine = LastLine.Of(ending.Output),
        Processes = ending.Processes,
    };

    /// <summary>The run was claimed and not started.</summary>
    public RunRecord NotStarted(Run run, RunStatus status, string why, DateTimeOffset now) => Make(run.Job, run.Spec, status, why, now) with
    {
        ScheduleTime = run.ClaimedAt.ToUnixTimeMilliseconds(),
        JobRevision = run.JobRevision,
        FencingToken = run.FencingToken,
        LostAt = run.LostAtMs,
    };

    /// <summary>
    /// The ending was decided without a run, or without the run's worker. As far as is known it never started, so start and end are the
    /// time of that decision.
    /// </summary>
    public RunRecord Owed(Job job, long jobRevision, OwedEnding owed) => Make(job, owed.Run, owed.Status, owed.Why, owed.Decided) with
    {
        ScheduleTime = owed.Decided.ToUnixTimeMilliseconds(),
        JobRevision = jobRevision,
        FencingToken = owed.Token,
        Worker = owed.Worker,
        Host = owed.Worker == workerId ? host : "",
        MissedCount = owed.Count,
        MissedSince = owed.Since?.ToUnixTimeMilliseconds() ?? 0,
    };

    private static RunStatus StatusOf(CommandOutcome outcome) => outcome switch
    {
        CommandOutcome.Exited(0) => RunStatus.Succeeded,
        CommandOutcome.TimedOut => RunStatus.TimedOut,
        CommandOutcome.Killed => RunStatus.Killed,
        CommandOutcome.Lost => RunStatus.Lost,
        CommandOutcome.NotStarted { TooLate: true } => RunStatus.Missed, // Refused just before this worker's former process died.
        _ => RunStatus.Failed,
    };

    private static string Explain(Run run, CommandEnding ending, CgroupUse? use)
    {
        if (use is { OomKilled: true } && StatusOf(ending.Outcome) == RunStatus.Failed)
        {
            return run.Job.MemoryMax.Bytes > 0
                ? $"killed by the host: it used more memory than its limit of {run.Job.MemoryMax.Describe()}"
                : "killed by the host, which was out of memory";
        }

        var leftovers = string.Join(", ", ending.Leftovers.Select(process => $"{process.Comm} ({process.Pid})"));
        return leftovers.Length == 0 ? ending.Error : $"{ending.Error}; left behind: {leftovers}";
    }

    private RunRecord Make(Job job, RunSpec run, RunStatus status, string why, DateTimeOffset now) => new(
        JobName: job.Name,
        Command: job.Command,
        Err: why,
        Output: "",
        PlanTime: run.PlanTime.ToUnixTimeMilliseconds(),
        ScheduleTime: 0,
        StartTime: now.ToUnixTimeMilliseconds(),
        EndTime: now.ToUnixTimeMilliseconds(),
        Id: $"{job.Name}/{run.Id}",
        Status: status,
        Worker: workerId,
        Host: host,
        Attempt: run.Attempt,
        Trigger: run.Trigger,
        Cause: run.Cause,
        ExpireAt: now + (job.RetentionDays > 0 ? TimeSpan.FromDays(Math.Min(job.RetentionDays, RetentionDaysMax)) : retention));
}
