using System.Diagnostics;
using Dts.Master.Jobs;
using Dts.Master.Logs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>A filter for runs: with state:running or state:queued for those that have not ended, otherwise for the log.</summary>
internal sealed class RunFilter
{
    private const int JobsMax = 1000; // For one word: the query to the log has all the names.

    private readonly Filter _ended;
    private readonly IReadOnlyList<FilterTerm> _unended;
    private readonly DateTimeOffset _now;

    /// <exception cref="FormatException">A word does not apply to runs; the message names it.</exception>
    public RunFilter(Filter filter, DateTimeOffset now)
    {
        _now = now;
        IsUnended = filter.Terms.Any(term => term is FilterTerm.State);
        (_ended, _unended) = IsUnended ? (Filter.Everything, filter.Terms) : (filter, []);
        foreach (var term in _unended)
        {
            if (term is not (FilterTerm.Text or FilterTerm.Job or FilterTerm.Worker or FilterTerm.Trigger
                    or FilterTerm.Label or FilterTerm.User)
                && !(term is FilterTerm.State { States: var states } && states.All(state => state is JobState.Running or JobState.Queued)))
            {
                throw new FormatException(
                    $"filter has {FilterParser.Quote(term.Word)}, which does not apply to runs that have not ended; "
                    + "expected state:running, state:queued, job:, worker:, trigger:, label:, user: or a text");
            }
        }
    }

    /// <summary>The filter asks for runs that have not ended.</summary>
    public bool IsUnended { get; }

    /// <param name="view">Finds the jobs that have a label or a user.</param>
    public LogQuery ToLogQuery(LogCursor? after, int limit, ClusterView view) => _ended.ToLogQuery(after, limit, term =>
    {
        var names = view.Ask(state => state.Jobs.Sorted
            .Where(job => JobMatch.Matches(term, job, state, _now))
            .Select(job => job.Name)
            .ToList());
        return names.Count <= JobsMax
            ? names
            : throw new FormatException(
                $"filter has {FilterParser.Quote(term.Word)}, which means {names.Count} jobs; "
                + $"expected a word for at most {JobsMax}, or job: with their names");
    });

    public bool Matches(UnendedRun run, ClusterState view) => _unended.All(term => term.IsNegated != term switch
    {
        FilterTerm.State state => state.States.Contains(run.State == UnendedRun.Queued ? JobState.Queued : JobState.Running),
        FilterTerm.Job job => job.Names.Contains(run.JobName),
        FilterTerm.Worker worker => worker.Ids.Contains(run.Worker),
        FilterTerm.Trigger trigger => trigger.Triggers.Contains(run.Trigger),
        FilterTerm.Text text when run.JobName.Contains(text.Part, StringComparison.OrdinalIgnoreCase) => true,
        FilterTerm.Text or FilterTerm.Label or FilterTerm.User =>
            view.Jobs.Find(run.JobName) is { } its && JobMatch.Matches(term, its, view, _now),
        _ => throw new UnreachableException(),
    });
}
