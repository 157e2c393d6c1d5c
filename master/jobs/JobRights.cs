using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Jobs;

/// <summary>Who changes jobs, and which changes they may make. The store checks them in the transaction of the change itself.</summary>
/// <param name="Includes">The jobs that they may see and act on; null = all.</param>
/// <param name="MaySetUserAndTarget">They may change which user a job runs as, and on which workers.</param>
/// <param name="Former">Judges names that no job has; null = a limited caller may take none.</param>
/// <param name="Noted">Called with each change of a job that was made.</param>
internal sealed record JobRights(
    Author Author,
    Predicate<Job>? Includes = null,
    bool MaySetUserAndTarget = true,
    FormerJobs? Former = null,
    Action<JobName, Job?, Job?>? Noted = null)
{
    /// <summary>Stands for the name of a job that a caller may not see.</summary>
    public const string Hidden = "a job that you may not see";

    public static JobRights Everything(Author author) => new(author);

    public bool IsLimited => Includes is not null;

    /// <summary>A limited caller does not see a job that cannot be read: its labels are unknown.</summary>
    public bool MaySee(Job? job) => Includes is null || (job is not null && Includes(job));

    /// <summary>
    /// Whether a job may be created under a free name. The name brings runs, outputs and versions of the job that had it, so the last
    /// version of that job decides.
    /// </summary>
    public async Task<bool> MayTakeAsync(JobName name, CancellationToken cancel) =>
        Includes is null || (Former is not null && await Former.FindAsync(name, cancel) switch
        {
            FormerJob.Nobody => true,
            FormerJob.Known(var last) => Includes(last),
            _ => false,
        });

    public string NameOf(string name, Job? job) => MaySee(job) ? name : Hidden;

    /// <summary>The added dependents that the caller must see: they run when the job ends, so to name one is to run it.</summary>
    public IEnumerable<string> DependentsToJudge(Job? before, Job? after) =>
        IsLimited && after is not null ? after.Dependents.Except(before?.Dependents ?? []).Except([after.Name]) : [];

    public static NotAllowedException ForeignDependent(string name) =>
        new($"then, onFailure or always name \"{Display.Line(name)}\", which is not a job within the filter that limits you");

    public static NotAllowedException NoSuchJob(JobName name) =>
        new($"name \"{Display.Line(name.Value)}\" is not a job; expected a saved one", isHidden: true);

    /// <summary>Why a change is not allowed; null = it is.</summary>
    /// <param name="exists">There is a value, even if it cannot be read as a job.</param>
    public NotAllowedException? FindFault(JobName name, bool exists, Job? before, Job? after)
    {
        if (exists && !MaySee(before))
        {
            return NoSuchJob(name);
        }

        if (after is not null && !MaySee(after))
        {
            return new NotAllowedException(
                $"job \"{Display.Line(name.Value)}\" would be outside of the filter that limits you; expected one that it matches");
        }

        return after is null || MaySetUserAndTarget ? null
            : after.User != (before?.User ?? "") ? Privileged(name, "user", before?.User ?? "", after.User)
            : after.Secrets.Except(before?.Secrets ?? []).Any()
                ? Privileged(name, "secrets", string.Join(", ", before?.Secrets ?? []), string.Join(", ", after.Secrets))
            : after.Target != (before?.Target ?? new Target())
                ? Privileged(name, "target", $"{before?.Target ?? new Target()}", $"{after.Target}")
            : null;
    }

    private static NotAllowedException Privileged(JobName name, string member, string before, string after) => new(
        $"{member} of job \"{Display.Line(name.Value)}\" would be \"{Display.Line(after)}\"; "
            + $"expected \"{Display.Line(before)}\": only an admin changes it");
}

/// <summary>A caller may not make a change.</summary>
/// <param name="isHidden">The caller may not even know of the job.</param>
internal sealed class NotAllowedException(string message, bool isHidden = false) : Exception(message)
{
    public bool IsHidden => isHidden;
}
