using Dts.Common.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Views;

/// <summary>The words that the jobs or runs of a list must all match. <see cref="FilterParser"/> has the language.</summary>
internal sealed record Filter(IReadOnlyList<FilterTerm> Terms)
{
    private static readonly RunStatus[] AllEndings = Enum.GetValues<RunStatus>();

    public static Filter Everything { get; } = new([]);

    public bool IsEverything => Terms.Count == 0;

    /// <param name="now">The moment that durations such as <c>next:&lt;1h</c> count from.</param>
    /// <exception cref="FormatException">A word cannot be read; the message names it and the one that was probably meant.</exception>
    public static Filter Parse(string text, DateTimeOffset now) => new(FilterParser.Parse(text, now));

    /// <summary>The filter as a query to the log.</summary>
    /// <param name="jobsOf">Returns the jobs that a word such as label:team=pay means, because the log knows only names.</param>
    /// <exception cref="FormatException">The log cannot answer a word; the message names it.</exception>
    public LogQuery ToLogQuery(LogCursor? after = null, int limit = 50, Func<FilterTerm, IReadOnlyList<string>>? jobsOf = null)
    {
        var query = new LogQuery(After: after, Limit: limit);
        var endings = AllEndings;
        foreach (var term in Terms)
        {
            query = term switch
            {
                FilterTerm.Job { IsNegated: false, Names: [var name] } when query.Job is null => query with { Job = name },
                FilterTerm.Text text => query.And(LogField.Text, [text.Part], text.IsNegated),
                FilterTerm.Job job => query.And(LogField.Job, job.Names, job.IsNegated),
                FilterTerm.Worker worker => query.And(LogField.Worker, worker.Ids, worker.IsNegated),
                FilterTerm.Trigger trigger => query.And(LogField.Trigger, trigger.Triggers, trigger.IsNegated),
                FilterTerm.Label or FilterTerm.User => query.And(LogField.Job, jobsOf?.Invoke(term) ?? [], term.IsNegated),
                FilterTerm.Since since => since.IsNegated ? query.Within(null, since.At) : query.Within(since.At, null),
                FilterTerm.Until until => until.IsNegated ? query.Within(until.At, null) : query.Within(null, until.At),
                FilterTerm.Ending => query,
                _ => throw new FormatException(
                    $"filter has {FilterParser.Quote(term.Word)}, which does not apply to runs: only jobs have it"),
            };
            if (term is FilterTerm.Ending(_, var isNegated, var statuses))
            {
                endings = [.. endings.Where(status => statuses.Contains(status) != isNegated)];
            }
        }

        return endings is [var only] ? query with { Status = only }
            : endings.Length < AllEndings.Length ? query.And(LogField.Ending, [.. endings.Select(status => status.Word())])
            : query;
    }
}
