using System.Text;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Commands;

namespace Dts.Worker.Fires;

/// <summary>The known jobs, in groups: all jobs of equal terms have the same plan times, and one timer.</summary>
/// <remarks>
/// Not thread-safe; <see cref="FirePlans"/> owns it. Constraint: a million jobs in 150 MB. So a job is no object of its own, and its name
/// is kept as bytes.
/// </remarks>
internal sealed class PlannedJobs
{
    private readonly PackedMap<Planned> _jobs = new();
    private readonly Dictionary<JobTerms, PlanGroup> _groups = [];

    public int Count => _jobs.Count;

    public IReadOnlyCollection<PlanGroup> Groups => _groups.Values;

    /// <summary>Null = it is not known.</summary>
    public JobPlan? Find(JobName name) => _jobs.Find(BytesOf(name)) is >= 0 and var job ? PlanOf(job) : null;

    public JobName NameOf(int job) => JobName.Parse(Encoding.UTF8.GetString(_jobs.KeyAt(job)));

    public JobPlan PlanOf(int job) => new(_jobs[job].Group.Terms, _jobs[job].Revision);

    /// <summary>The latest plan time of the job that became a fire or is older than the job, in Unix seconds.</summary>
    public ref uint DecidedUntil(int job) => ref _jobs[job].DecidedUntil;

    /// <summary>Adds a job that is not there.</summary>
    public PlanGroup Add(JobName name, JobPlan plan, out int job)
    {
        if (!_groups.TryGetValue(plan.Terms, out var group))
        {
            _groups[plan.Terms] = group = new PlanGroup(plan.Terms);
        }

        job = _jobs.FindOrAdd(BytesOf(name));
        _jobs[job] = new Planned { Group = group, Revision = plan.Revision, Place = group.Jobs.Count };
        group.Jobs.Add(job);
        return group;
    }

    /// <returns>The group that it was in, without any job if it was the last one; null = it was not there.</returns>
    public PlanGroup? Remove(JobName name, out uint decidedUntil)
    {
        var key = BytesOf(name);
        var job = _jobs.Find(key);
        if (job < 0)
        {
            decidedUntil = 0;
            return null;
        }

        (var group, decidedUntil, var place) = (_jobs[job].Group, _jobs[job].DecidedUntil, _jobs[job].Place);
        var last = group.Jobs[^1];
        group.Jobs[place] = last;
        _jobs[last].Place = place;
        group.Jobs.RemoveAt(group.Jobs.Count - 1);
        _jobs.Remove(key);
        if (group.Jobs.Count == 0)
        {
            _groups.Remove(group.Terms);
        }

        return group;
    }

    private static byte[] BytesOf(JobName name) => Encoding.UTF8.GetBytes(name.Value);

    private struct Planned
    {
        public PlanGroup Group;
        public long Revision;
        public int Place; // Among the group's jobs.
        public uint DecidedUntil;
    }
}

/// <summary>Jobs of equal terms.</summary>
internal sealed class PlanGroup(JobTerms terms) : ITimed
{
    public JobTerms Terms { get; } = terms;

    /// <summary>Their indexes among the known jobs.</summary>
    public List<int> Jobs { get; } = [];

    /// <summary>The plan time that <see cref="Timer"/> rings for; null = there is none, or it is not planned.</summary>
    public DateTimeOffset? Next { get; set; }

    public TimerWheel<ITimed>.Entry? Timer { get; set; }
}
