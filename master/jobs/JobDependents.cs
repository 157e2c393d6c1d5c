using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Master.Jobs;

/// <summary>Refuses a save of a job whose dependents lead back to it.</summary>
internal sealed class JobDependents(EtcdClient etcd, Keys keys)
{
    private const int ComparedMax = 70; // etcd accepts 128 operations; the job, its cursors and its history need the rest.
    private const int GetsMax = 100;

    /// <summary>Returns conditions that make the save fail if a job on the way is changed meanwhile.</summary>
    /// <remarks>A dependent may not exist yet: saving it later runs this check again.</remarks>
    /// <param name="parse">Null = the value is not a job.</param>
    /// <exception cref="FormatException">The dependents lead back to the job.</exception>
    public async Task<IReadOnlyList<Compare>> CheckAsync(
        Job job, Func<KeyValue, Job?> parse, JobRights rights, CancellationToken cancel)
    {
        if (!job.Dependents.Any())
        {
            return [];
        }

        var jobs = new Dictionary<string, Job> { [job.Name] = job };
        var revisions = new Dictionary<string, long>();
        var latest = 0L;
        for (var next = job.Dependents.ToHashSet(); next.Count > 0;)
        {
            next.RemoveWhere(name => name == job.Name || revisions.ContainsKey(name));
            var found = new List<Job>();
            foreach (var names in next.Chunk(GetsMax))
            {
                var state = await etcd.TxnAsync(Txn.All(names.Select(name => Txn.Get(keys.Jobs + name, latest))), repeatable: true, cancel);
                latest = latest == 0 ? state.Header.Revision : latest;
                foreach (var (name, answer) in names.Zip(state.Responses))
                {
                    var pair = answer.ResponseRange.Kvs.FirstOrDefault();
                    revisions[name] = pair?.ModRevision ?? 0;
                    if (pair is not null && parse(pair) is { } dependent)
                    {
                        found.Add(jobs[name] = dependent);
                    }
                }
            }

            next = [.. found.SelectMany(dependent => dependent.Dependents)];
        }

        return JobCycle.Find(job.Name, jobs) is { } cycle
            ? throw new FormatException(cycle.Explain(name => rights.NameOf(name, jobs.GetValueOrDefault(name))))
            : revisions.Count <= ComparedMax
            ? [.. revisions.Select(known => Txn.Unchanged(keys.Jobs + known.Key, known.Value))]
            : [Txn.NoneChangedUnder(keys.Jobs, latest)];
    }
}
