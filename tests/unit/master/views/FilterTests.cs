using Dts.Common.Jobs;
using Dts.Master.Logs;
using Dts.Master.Views;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Views;

public sealed class FilterTests
{
    private static readonly DateTimeOffset Now = Some.Now;

    [Theory]
    [InlineData("backup",                "Text { Part = backup }")]
    [InlineData("Backup db",             "Text { Part = Backup } Text { Part = db }")]
    [InlineData("\"two words\"",         "Text { Part = two words }")]
    [InlineData("\"a \\\" b\\\\\"",      "Text { Part = a \" b\\ }")]
    [InlineData("-old",                  "not Text { Part = old }")]
    [InlineData("-\"old one\"",          "not Text { Part = old one }")]
    [InlineData("\"-old\"",              "Text { Part = -old }")]
    [InlineData("\"10:30\"",             "Text { Part = 10:30 }")]
    [InlineData("备份",                  "Text { Part = 备份 }")]
    [InlineData("a-b",                   "Text { Part = a-b }")]
    [InlineData("  a\t b\n",             "Text { Part = a } Text { Part = b }")]
    [InlineData("",                      "")]
    // Keys, in any case of their letters.
    [InlineData("state:failing",         "State { Failing }")]
    [InlineData("STATE:Failing",         "State { Failing }")]
    [InlineData("state:running|queued",  "State { Running | Queued }")]
    [InlineData("-state:paused",         "not State { Paused }")]
    [InlineData("ending:timedOut",       "Ending { TimedOut }")]
    [InlineData("ending:failed|lost",    "Ending { Failed | Lost }")]
    [InlineData("trigger:manual",        "Trigger { manual }")]
    [InlineData("worker:w1|w2",          "Worker { w1 | w2 }")]
    [InlineData("job:\"a b\"|c",         "Job { a b | c }")]
    [InlineData("job:\"a|b\"",           "Job { a|b }")]
    [InlineData("user:deploy",           "User { deploy }")]
    [InlineData("label:team",            "Label { team }")]
    [InlineData("label:team=pay",        "Label { team = pay }")]
    [InlineData("label:team=",           "Label { team =  }")]
    [InlineData("\"label:team=a b\"",    "Text { Part = label:team=a b }")]
    [InlineData("label:\"team=a b\"",    "Label { team = a b }")]
    [InlineData("label:url=http://x",    "Label { url = http://x }")]
    // Times: absolute, or counted from now.
    [InlineData("next:<1h",              "Next { 10:00 to 11:00 }")]
    [InlineData("next:>90s",             "Next { 10:01 to 23:59 }")]
    [InlineData("next:<2026-11-22T10:30:00Z", "Next { 10:00 to 10:30 }")]
    [InlineData("next:none",             "NoNext")]
    [InlineData("from:2026-11-22T09:00:00Z to:30m", "Since { 09:00 } Until { 09:30 }")]
    public void Words_are_read(string text, string terms) =>
        Assert.Equal(terms, string.Join(' ', Filter.Parse(text, Now).Terms.Select(Show)));

    [Theory]
    [InlineData("stat:failing",   "filter has \"stat:failing\"; \"stat\" is not a key, did you mean state? "
                                  + "To search for the text, write it in quotes")]
    [InlineData("status:failed",  "did you mean ending?")]
    [InlineData("lable:a=b",      "did you mean label?")]
    [InlineData("http://x",       "\"http\" is not a key, expected one of state, label, worker, next, ending, user, trigger, "
                                  + "job, from, to. To search")]
    [InlineData("state:failed",   "filter has \"state:failed\"; "
                                  + "expected one of broken, paused, failing, running, queued, unknown, new, well")]
    [InlineData("ending:",        "filter has \"ending:\"; expected a value behind \"ending:\"")]
    [InlineData("worker:a||b",    "expected a value on each side of '|'")]
    [InlineData("next:1h",        "filter has \"next:1h\"; expected next:<1h, next:>2d, next:<2026-11-22T10:00:00Z or next:none")]
    [InlineData("next:<soon",     "or a duration such as 90s, 15m, 2h or 7d")]
    [InlineData("from:yesterday", "filter has \"from:yesterday\"; expected a time such as 2026-11-22T10:00:00Z")]
    [InlineData("a -",            "filter has \"-\"; expected a text, or a key with its value")]
    [InlineData("\"\"",           "filter has \"\"; expected a text, or a key with its value")]
    [InlineData("a \"b c",        "filter has \"b c\" behind a quote that is not closed; expected a second quote")]
    [InlineData("a\0",            "filter has a NUL character")]
    public void A_word_that_cannot_be_read_is_named(string text, string message) =>
        Assert.Contains(message, Assert.Throws<FormatException>(() => Filter.Parse(text, Now)).Message);

    [Fact]
    public void A_filter_has_a_length()
    {
        var words = Assert.Throws<FormatException>(() => Filter.Parse(string.Join(' ', Enumerable.Repeat("a", 31)), Now));
        var letters = Assert.Throws<FormatException>(() => Filter.Parse(new string('a', 2001), Now));

        Assert.Equal("filter has 31 words; expected at most 30", words.Message);
        Assert.Equal("filter has 2001 characters; expected at most 2000", letters.Message);
    }

    [Fact]
    public void A_filter_becomes_a_query_to_the_log()
    {
        var filter = Filter.Parse("job:a ending:failed worker:w1 trigger:retry from:2h to:1h \"exit 3\"", Now);

        var query = filter.ToLogQuery(limit: 20);

        Assert.Equal(
            new LogQuery("a", RunStatus.Failed, Now.AddHours(-2), Now.AddHours(-1), Limit: 20) with { Terms = query.Terms }, query);
        Assert.Equal("Worker w1; Trigger retry; Text exit 3", string.Join("; ", query.Terms.Select(Show)));
    }

    [Fact]
    public void Two_spans_are_narrowed_to_their_intersection()
    {
        var query = Filter.Parse("from:2h from:1h to:10m to:30m", Now).ToLogQuery();

        Assert.Equal((Now.AddHours(-1), Now.AddMinutes(-30)), (query.From, query.Until));
    }

    [Theory]
    [InlineData("-a",                   "not Text a")]
    [InlineData("a b -c",               "Text a; Text b; not Text c")]
    [InlineData("job:a|b",              "Job a|b")]
    [InlineData("job:a job:b",          "job a; Job b")]
    [InlineData("-job:a",               "not Job a")]
    [InlineData("worker:w1|w2",         "Worker w1|w2")]
    [InlineData("-trigger:manual",      "not Trigger manual")]
    [InlineData("ending:failed|lost",   "Ending failed|lost")]
    [InlineData("-ending:succeeded",    "Ending failed|timedOut|killed|cancelled|skipped|missed|lost")]
    [InlineData("ending:failed|lost -ending:lost", "status failed")]
    [InlineData("ending:failed ending:lost", "Ending ")]
    [InlineData("label:team=pay",       "Job jobs with label:team=pay")]
    [InlineData("-user:deploy",         "not Job jobs with -user:deploy")]
    public void The_log_is_asked_in_the_same_language(string text, string expected)
    {
        var query = Filter.Parse(text, Now).ToLogQuery(jobsOf: term => [$"jobs with {term.Word}"]);

        string?[] simple = [query.Job is { } job ? $"job {job}" : null, query.Status is { } ending ? $"status {ending.Word()}" : null];
        Assert.Equal(expected, string.Join("; ", simple.OfType<string>().Concat(query.Terms.Select(Show))));
    }

    [Theory]
    [InlineData("from:2h -to:1h",       "09:00", "")]
    [InlineData("-from:2h",             "", "08:00")]
    public void A_span_can_be_left_out(string text, string from, string until)
    {
        var query = Filter.Parse(text, Now).ToLogQuery();

        Assert.Equal((from, until), ($"{query.From:HH:mm}", $"{query.Until:HH:mm}"));
    }

    [Theory]
    [InlineData("next:<1h",           "filter has \"next:<1h\", which does not apply to runs: only jobs have it")]
    [InlineData("next:none",          "does not apply to runs")]
    public void A_word_that_the_log_cannot_answer_is_named(string text, string message) =>
        Assert.Contains(message, Assert.Throws<FormatException>(() => Filter.Parse(text, Now).ToLogQuery()).Message);

    private static string Show(LogTerm term) => $"{(term.IsNegated ? "not " : "")}{term.Field} {string.Join('|', term.Values)}";

    private static string Show(FilterTerm term) => (term.IsNegated ? "not " : "") + term switch
    {
        FilterTerm.Text text => $"Text {{ Part = {text.Part} }}",
        FilterTerm.State state => $"State {{ {string.Join(" | ", state.States)} }}",
        FilterTerm.Ending ending => $"Ending {{ {string.Join(" | ", ending.Statuses)} }}",
        FilterTerm.Trigger trigger => $"Trigger {{ {string.Join(" | ", trigger.Triggers)} }}",
        FilterTerm.Worker worker => $"Worker {{ {string.Join(" | ", worker.Ids)} }}",
        FilterTerm.Job job => $"Job {{ {string.Join(" | ", job.Names)} }}",
        FilterTerm.User user => $"User {{ {user.Name} }}",
        FilterTerm.Label { Value: null } label => $"Label {{ {label.Name} }}",
        FilterTerm.Label label => $"Label {{ {label.Name} = {label.Value} }}",
        FilterTerm.Next next => $"Next {{ {next.Earliest:HH:mm} to {next.Before:HH:mm} }}",
        FilterTerm.Since since => $"Since {{ {since.At:HH:mm} }}",
        FilterTerm.Until until => $"Until {{ {until.At:HH:mm} }}",
        _ => term.GetType().Name,
    };
}
