using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Access;

/// <summary>Applies a caller's role and scope to the store of jobs and to answers.</summary>
internal static class CallerRights
{
    /// <param name="former">Finds the last definition of a deleted job, which decides who may use its name.</param>
    public static JobRights RightsOf(Caller caller, FormerJobs? former = null, Action<JobName, Job?, Job?>? noted = null) => new(
        caller.Author,
        caller.Scope.IsEverything ? null : caller.MaySee,
        caller.May(Role.Admin),
        former,
        noted);

    /// <summary>The job as the caller may see it: viewers do not see the values of variables, which may be secret.</summary>
    public static Job Show(this Caller caller, Job job) => caller.SeesEnv || job.Env.Count == 0
        ? job
        : job with { Env = job.Env.ToDictionary(variable => variable.Key, _ => JobDiff.HiddenText) };

    public static IReadOnlyList<MemberChange> Show(this Caller caller, IReadOnlyList<MemberChange> changes) =>
        caller.SeesEnv ? changes : JobDiff.WithoutEnv(changes);
}
