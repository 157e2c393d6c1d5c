using System.Diagnostics;
using Dts.Common.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Views;

/// <summary>Takes the log's answers about endings into the jobs of the view.</summary>
/// <remarks>Not thread-safe; <see cref="ClusterState"/> owns it.</remarks>
/// <param name="note">Called with each change of the view.</param>
internal sealed class JobEndings(JobTable jobs, EndingQueries queries, Action<ClusterChange> note)
{
    private static readonly TimeSpan AllAreLoadedIn = TimeSpan.FromHours(1);

    private double _loadsDue;
    private string _loadedUpTo = "";

    /// <param name="found">The log's answer.</param>
    public void Take(EndingQuery query, IReadOnlyList<EndedRun> found)
    {
        queries.NoteAnswered();
        switch (query)
        {
            case EndingQuery.Jobs(var names):
                var byJob = found.ToLookup(run => run.Job);
                foreach (var job in names.Select(jobs.Find).OfType<JobEntry>())
                {
                    Load(job, byJob[job.Name]);
                }

                break;
            case EndingQuery.Runs(var awaited):
                var byRun = found.ToLookup(run => (run.Job, run.RunId));
                foreach (var run in awaited)
                {
                    Take(run, byRun[(run.Job, run.RunId)].FirstOrDefault());
                }

                break;
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>Asks for the endings of some jobs, so that each job is loaded again every hour.</summary>
    /// <param name="passed">The time since the last call.</param>
    public void LoadInTurn(TimeSpan passed)
    {
        _loadsDue += Math.Clamp(passed / AllAreLoadedIn, 0, 1) * jobs.Sorted.Count;
        for (; _loadsDue >= 1 && jobs.Sorted.Count > 0; _loadsDue--)
        {
            var index = jobs.IndexOf(_loadedUpTo + '\0');
            _loadedUpTo = jobs.Sorted[index < jobs.Sorted.Count ? index : 0].Name;
            queries.Load(_loadedUpTo);
        }
    }

    private void Load(JobEntry job, IEnumerable<EndedRun> runs)
    {
        var isFirst = job.Endings.IsUnknown;
        var found = job.Load(runs, jobs.Share);
        if (isFirst || found.Count > 0)
        {
            note(new ClusterChange.EndingsRead(job));
        }

        foreach (var (run, endings) in found)
        {
            note(new ClusterChange.Recorded(job, run, endings, isFirst));
        }
    }

    private void Take(AwaitedRun awaited, EndedRun? found)
    {
        if (jobs.Find(awaited.Job) is not { } job)
        {
            queries.Forget(awaited);
            return;
        }

        switch (found is null ? Addition.Known : job.Add(found, jobs.Share))
        {
            case Addition.Added:
                note(new ClusterChange.Recorded(job, found!, job.Endings.Unpack(), IsFirstRead: false));
                break;
            case Addition.OutOfOrder:
                queries.Load(awaited.Job);
                break;
        }

        if (found is null or { Status: RunStatus.Lost })
        {
            queries.AskAgain(awaited with { IsLost = found is not null });
        }
        else
        {
            queries.Forget(awaited);
        }
    }
}
