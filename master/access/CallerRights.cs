using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Access;

/// <summary>A caller's role and scope, as the store of jobs keeps them and as answers show them.</summary>
internal static class CallerRights
{
    /// <param name="former">Judges names that no job has.</param>
    public static JobRights RightsOf(Caller caller, FormerJobs? former = null, Action<JobName, Job?, Job?>? noted = null) => new(
        caller.Author,
        caller.Scope.IsEverything ? null : caller.MaySee,
        caller.May(Role.Admin),
        former,
        noted);

    /// <summary>The job as the caller may see it: a viewer without the values of its variables, which may be secret.</summary>
    public static Job Show(this Caller caller, Job job) => caller.SeesEnv || job.Env.Count == 0
        ? job
        : job with { Env = job.Env.ToDictionary(variable => variable.Key, _ => JobDiff.HiddenText) };

    public static IReadOnlyList<MemberChange> Show(this Caller caller, IReadOnlyList<MemberChange> changes) =>
        caller.SeesEnv ? changes : JobDiff.WithoutEnv(changes);
}
