using Dts.Common.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Access;

/// <summary>The jobs that a caller may see and act on: those that match a filter, or all.</summary>
/// <remarks>
/// The filter may use name, labels and user only. Only a save changes these, so whether a caller may see a job never depends on time or on
/// its runs.
/// </remarks>
internal sealed class Scope
{
    private readonly IReadOnlyList<FilterTerm> _terms;

    private Scope(string text, Filter filter) => (Text, Filter, _terms) = (text, filter, filter.Terms);

    public static Scope Everything { get; } = new("", Filter.Everything);

    /// <summary>Matches no job: names have no slash.</summary>
    public static Scope Nothing { get; } = Parse("job:/");

    /// <summary>The filter's text; empty = all jobs.</summary>
    public string Text { get; }

    public Filter Filter { get; }

    public bool IsEverything => Filter.IsEverything;

    /// <exception cref="FormatException">The text is not a filter, or uses more than a job's name, labels and user.</exception>
    public static Scope Parse(string text)
    {
        var filter = Filter.Parse(text, default);
        foreach (var term in filter.Terms)
        {
            if (term is not (FilterTerm.Job or FilterTerm.Label or FilterTerm.User))
            {
                throw new FormatException(
                    $"filter has {FilterParser.Quote(term.Word)}; expected only job:, label: and user: to limit access");
            }
        }

        return filter.IsEverything ? Everything : new Scope(text, filter);
    }

    /// <summary>Null = the text is not a filter that can limit access.</summary>
    public static Scope? TryParse(string text)
    {
        try
        {
            return Parse(text);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>The jobs that match a filter and are within the scope.</summary>
    public Filter Narrow(Filter filter) => IsEverything ? filter : new Filter([.. filter.Terms, .. _terms]);

    public bool Includes(Job job) => Includes(job.Name, job.Labels, job.User);

    public bool Includes(JobEntry job) => Includes(job.Name, job.Labels, job.User);

    private bool Includes(string name, IEnumerable<KeyValuePair<string, string>> labels, string user)
    {
        foreach (var term in _terms)
        {
            var isMatch = term switch
            {
                FilterTerm.Job(_, _, var names) => names.Contains(name),
                FilterTerm.Label(_, _, var key, var value) => labels.Any(
                    label => label.Key == key && (value is null || label.Value == value)),
                FilterTerm.User(_, _, var wanted) => wanted == user,
                _ => throw new System.Diagnostics.UnreachableException(),
            };
            if (isMatch == term.IsNegated)
            {
                return false;
            }
        }

        return true;
    }
}
