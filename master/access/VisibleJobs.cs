using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Master.Versions;
using Dts.Master.Views;

namespace Dts.Master.Access;

/// <summary>Lists the names of the jobs that a caller with a filter may see, because the log knows only names.</summary>
/// <remarks>A deleted job is judged by its last version. A name without a version is not in the list.</remarks>
internal sealed class VisibleJobs(ClusterView view, FormerJobs former)
{
    private const int FormerMax = 20; // Each costs a query to the log store.

    /// <summary>The saved jobs that the caller may see, and the deleted ones among the given names.</summary>
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

    /// <summary>The record, without the name of a causing job that the caller may not see.</summary>
    public RunRecord Show(Caller caller, RunRecord record) =>
        ShowCause(caller, record.JobName, record.Cause) is var cause && cause == record.Cause ? record : record with { Cause = cause };

    /// <param name="job">The job of the run that was caused; the caller may see it.</param>
    /// <param name="cause">The causing run (job/runId); empty = none.</param>
    public string ShowCause(Caller caller, string job, string cause) =>
        cause.Length == 0 || cause.Split('/')[0] is var its && (its == job || Includes(caller, its)) ? cause : JobRights.Hidden;

    /// <summary>Whether there is a saved job of this name that the caller may see.</summary>
    public bool Includes(Caller caller, string job) =>
        caller.Scope.IsEverything || view.Take(state => state.Jobs.Find(job) is { } known && caller.MaySee(known));
}
