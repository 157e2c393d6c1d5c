using Dts.Master.Logs;

namespace Dts.Master.Views;

/// <summary>Which jobs or runs a list shows: those that match all its words. <see cref="FilterParser"/> has the language.</summary>
internal sealed record Filter(IReadOnlyList<FilterTerm> Terms)
{
    public static Filter Everything { get; } = new([]);

    public bool IsEverything => Terms.Count == 0;

    /// <param name="now">The moment that durations such as <c>next:&lt;1h</c> count from.</param>
    /// <exception cref="FormatException">A word cannot be read; the message names it, and what was probably meant.</exception>
    public static Filter Parse(string text, DateTimeOffset now) => new(FilterParser.Parse(text, now));

    /// <summary>The same question to the log.</summary>
    /// <exception cref="FormatException">The log cannot answer a word; the message names it.</exception>
    public LogQuery ToLogQuery(LogCursor? after = null, int limit = 50)
    {
        var query = new LogQuery(After: after, Limit: limit);
        foreach (var term in Terms)
        {
            query = term switch
            {
                { IsNegated: true } => throw Refuse(term, "runs have no word with '-'"),
                FilterTerm.Text text when query.Text is null => query with { Text = text.Part },
                FilterTerm.Text => throw Refuse(term, "runs take one text: write several words in one pair of quotes"),
                FilterTerm.Job job when query.Job is null => query with { Job = Only(job, job.Names) },
                FilterTerm.Ending ending when query.Status is null => query with { Status = Only(ending, ending.Statuses) },
                FilterTerm.Worker worker when query.Worker is null => query with { Worker = Only(worker, worker.Ids) },
                FilterTerm.Trigger trigger when query.Trigger is null => query with { Trigger = Only(trigger, trigger.Triggers) },
                FilterTerm.Since since => query with { From = query.From > since.At ? query.From : since.At },
                FilterTerm.Until until => query with { Until = query.Until < until.At ? query.Until : until.At },
                FilterTerm.Job or FilterTerm.Ending or FilterTerm.Worker or FilterTerm.Trigger =>
                    throw Refuse(term, "runs take each key once"),
                _ => throw Refuse(term, "it is asked of jobs, and runs do not have it"),
            };
        }

        return query;
    }

    private static T Only<T>(FilterTerm term, IReadOnlyList<T> values) =>
        values.Count == 1 ? values[0] : throw Refuse(term, "runs take one value of a key");

    private static FormatException Refuse(FilterTerm term, string why) =>
        new($"filter has {FilterParser.Quote(term.Word)}, which is no question to runs: {why}");
}
