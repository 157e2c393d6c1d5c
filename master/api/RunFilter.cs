using Dts.Master.Jobs;
using Dts.Master.Logs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>A filter as a question to runs: with state:running or state:queued to those that have not ended, else to the log.</summary>
internal sealed class RunFilter
{
    private readonly Filter _ended;
    private readonly IReadOnlyList<FilterTerm> _unended;

    /// <exception cref="FormatException">Runs cannot be asked for a word; the message names it.</exception>
    public RunFilter(Filter filter)
    {
        IsUnended = filter.Terms.Any(term => term is FilterTerm.State);
        (_ended, _unended) = IsUnended ? (Filter.Everything, filter.Terms) : (filter, []);
        foreach (var term in _unended)
        {
            if (term is not (FilterTerm.Text or FilterTerm.Job or FilterTerm.Worker or FilterTerm.Trigger)
                && !(term is FilterTerm.State { States: var states } && states.All(state => state is JobState.Running or JobState.Queued)))
            {
                throw new FormatException(
                    $"filter has {FilterParser.Quote(term.Word)}, which is no question to runs that have not ended; "
                    + "expected state:running, state:queued, job:, worker:, trigger: or a text");
            }
        }
    }

    /// <summary>Runs that have not ended are asked for.</summary>
    public bool IsUnended { get; }

    public LogQuery ToLogQuery(LogCursor? after, int limit) => _ended.ToLogQuery(after, limit);

    public bool Matches(UnendedRun run) => _unended.All(term => term.IsNegated != term switch
    {
        FilterTerm.State state => state.States.Contains(run.State == UnendedRun.Queued ? JobState.Queued : JobState.Running),
        FilterTerm.Text text => run.JobName.Contains(text.Part, StringComparison.OrdinalIgnoreCase),
        FilterTerm.Job job => job.Names.Contains(run.JobName),
        FilterTerm.Worker worker => worker.Ids.Contains(run.Worker),
        FilterTerm.Trigger trigger => trigger.Triggers.Contains(run.Trigger),
        _ => throw new System.Diagnostics.UnreachableException(),
    });
}
