using Dts.Common.Cron;
using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>The part of a job that planning needs; the answer to a claim brings the whole definition.</summary>
internal sealed record JobPlan(JobTerms Terms, long Revision)
{
    private static readonly Target Anyone = new();

    /// <summary>Stands for the plan of a job that is not known.</summary>
    public static readonly JobPlan Unknown = Of(
        new Job("-", "-", "@yearly"), new JobSchedule(CronExpression.Parse("@yearly"), CronZone.Utc), revision: 0);

    public JobSchedule Schedule => Terms.Schedule;

    public JobMode Mode => Terms.Mode;

    public Overlap Overlap => Terms.Overlap;

    public Misfire Misfire => Terms.Misfire;

    public TimeSpan StartDeadline => Terms.StartDeadline;

    public Target Target => Terms.Target;

    public IReadOnlyList<string> AfterFailure => Terms.AfterFailure;

    public bool IsPaused => Terms.IsPaused;

    /// <summary>Whether other workers run the job from a later plan on, in the same mode.</summary>
    public bool HasMovedTo(JobPlan later) => IsPlannedLike(later) && later.Target != Target;

    /// <summary>
    /// Whether a later plan has the same plan times, on the same account. Otherwise the save decides which of the past are open; so it does
    /// for another target in mode all, where each worker has an account of its own.
    /// </summary>
    public bool KeepsTimesIn(JobPlan later) => IsPlannedLike(later)
        && (later.Schedule.Expression.Text, later.Schedule.Zone) == (Schedule.Expression.Text, Schedule.Zone)
        && (Mode == JobMode.One || later.Target == Target);

    /// <summary>Whether both have plan times, in one mode.</summary>
    public bool IsPlannedLike(JobPlan later) => !IsPaused && !later.IsPaused && later.Mode == Mode;

    /// <returns>Null = the job cannot run.</returns>
    public static JobPlan? TryOf(Job job, long revision, CronZone zone, out string why)
    {
        why = JobRules.FindUnrunnable(job) ?? "";
        return why.Length == 0 && JobSchedule.TryParse(job, zone, out var schedule, out why) ? Of(job, schedule, revision) : null;
    }

    public static JobPlan Of(Job job, JobSchedule schedule, long revision) => new(
        new JobTerms(
            schedule,
            job.Mode,
            job.Overlap,
            job.Misfire,
            TimeSpan.FromSeconds(job.StartDeadlineSeconds),
            job.Target.IsAnyone ? Anyone : job.Target,
            job.Always.Count == 0 ? job.OnFailure : job.OnFailure.Count == 0 ? job.Always : [.. job.OnFailure, .. job.Always],
            !job.Enabled),
        revision);
}

/// <summary>When and how a job's fires run. Most jobs of a cluster have equal ones.</summary>
/// <param name="AfterFailure">The jobs that run when a run has failed for good.</param>
/// <param name="IsPaused">The job has no plan times now, but may be run by hand or as a dependent.</param>
internal sealed record JobTerms(
    JobSchedule Schedule,
    JobMode Mode,
    Overlap Overlap,
    Misfire Misfire,
    TimeSpan StartDeadline,
    Target Target,
    IReadOnlyList<string> AfterFailure,
    bool IsPaused);
