using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Master.Versions;
using Dts.Master.Views;

namespace Dts.Master.Access;

/// <summary>Names the jobs that a caller with a filter may see; the log knows names only.</summary>
/// <remarks>A positive list: a name that nobody can judge is not in it. A job that was deleted is judged by its last version.</remarks>
internal sealed class VisibleJobs(ClusterView view, FormerJobs former)
{
    private const int FormerMax = 20; // Each costs a question to the log store.

    /// <summary>The saved jobs that the caller may see, and those deleted ones among some names.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(Caller caller, IEnumerable<string> named, CancellationToken cancel)
    {
        var (saved, free) = view.Ask(state => (
            state.Jobs.Sorted.Where(caller.MaySee).Select(job => job.Name).ToList(),
            named.Where(name => state.Jobs.Find(name) is null).Distinct().Take(FormerMax).ToList()));
        foreach (var text in free)
        {
            if (JobName.TryParse(text, out var name, out _)
                && await former.FindAsync(name, cancel) is FormerJob.Known(var last)
                && caller.MaySee(last))
            {
                saved.Add(text);
            }
        }

        return saved;
    }

    /// <summary>The record without the name of a job that the caller may not see.</summary>
    public RunRecord Show(Caller caller, RunRecord record) =>
        ShowCause(caller, record.JobName, record.Cause) is var cause && cause == record.Cause ? record : record with { Cause = cause };

    /// <param name="job">The job of the run that it led to, which the caller may see.</param>
    /// <param name="cause">A run (job/runId); empty = none.</param>
    public string ShowCause(Caller caller, string job, string cause) =>
        cause.Length == 0 || cause.Split('/')[0] is var its && (its == job || Includes(caller, its)) ? cause : JobRights.Hidden;

    /// <summary>Whether the caller may see the saved job of a name.</summary>
    public bool Includes(Caller caller, string job) =>
        caller.Scope.IsEverything || view.Take(state => state.Jobs.Find(job) is { } known && caller.MaySee(known));
}
