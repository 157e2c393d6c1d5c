using Dts.Common.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>A filter as a question to definitions of jobs: by name, text, label and user.</summary>
internal sealed class JobFilter
{
    private readonly Filter _filter;

    /// <exception cref="FormatException">A definition does not have what a word asks for; the message names the word.</exception>
    public JobFilter(Filter filter)
    {
        _filter = filter;
        if (filter.Terms.FirstOrDefault(
            term => term is not (FilterTerm.Text or FilterTerm.Job or FilterTerm.Label or FilterTerm.User)) is { } other)
        {
            throw new FormatException(
                $"filter has {FilterParser.Quote(other.Word)}, which is no question to schedules; expected job:, label:, user: or a text");
        }
    }

    public bool Matches(Job job) => _filter.Terms.All(term => term.IsNegated != term switch
    {
        FilterTerm.Text text => new[] { job.Name, job.Command, job.Description }.Any(
            part => part.Contains(text.Part, StringComparison.OrdinalIgnoreCase)),
        FilterTerm.Job named => named.Names.Contains(job.Name),
        FilterTerm.Label label => job.Labels.TryGetValue(label.Name, out var value) && (label.Value is null || label.Value == value),
        FilterTerm.User user => job.User == user.Name,
        _ => throw new System.Diagnostics.UnreachableException(),
    });
}
