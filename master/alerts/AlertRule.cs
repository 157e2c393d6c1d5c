using Dts.Common.Jobs;
using Dts.Master.Events;
using Dts.Master.Views;

namespace Dts.Master.Alerts;

/// <summary>Which jobs or workers are watched for which events: the value of a key under alerts/rules/.</summary>
/// <param name="Filter">The jobs (job:, label:, user: or a text) or the workers (worker:); empty = all.</param>
/// <param name="Text">The message, with {job}, {worker}, {event}, {reason}, {lastLine} and {url}; empty = the usual sentence.</param>
internal sealed record AlertRule(
    string Channel,
    string Filter = "",
    IReadOnlyList<AlertEvent>? On = null,
    int After = 1,
    double SlowFactor = 3,
    int NoSuccessSeconds = 0,
    int QuietSeconds = 0,
    string Text = "",
    bool Enabled = true)
{
    public const string ExpectedName = WorkerRegistration.ExpectedId;

    private const int TextMax = 4000;

    public IReadOnlyList<AlertEvent> On { get; init; } = On ?? JobAlert.Usual;

    public JobAlert Terms() => new(Channel, On, After, SlowFactor, NoSuccessSeconds, QuietSeconds);

    /// <exception cref="FormatException">The filter asks for a state that changes with time; the message names the word.</exception>
    public EventFilter ReadFilter(DateTimeOffset now)
    {
        var filter = Views.Filter.Parse(Filter, now);
        return filter.Terms.FirstOrDefault(term => term is FilterTerm.Ending) is { } wrong
            ? throw new FormatException(
                $"filter has {FilterParser.Quote(wrong.Word)}, which does not apply to rules: its \"on\" says which endings count; "
                + "expected job:, label:, user:, worker: or a text")
            : EventFilter.Read(filter);
    }

    /// <summary>The first fault; null = none.</summary>
    public string? FindFault(DateTimeOffset now)
    {
        try
        {
            ReadFilter(now);
        }
        catch (FormatException wrong)
        {
            return wrong.Message;
        }

        return JobRules.FindBadAlert("", Terms())
            ?? (Text.Length > TextMax ? $"text has {Text.Length} characters; expected at most {TextMax}" : null);
    }

    public static bool IsName(string text) => WorkerRegistration.IsId(text);
}

/// <summary>A rule with its name, and its filter as it was read.</summary>
internal sealed record NamedRule(string Name, AlertRule Rule, EventFilter Filter)
{
    public JobAlert Terms { get; } = Rule.Terms();

    /// <exception cref="FormatException">The rule has a fault; the message names it.</exception>
    public static NamedRule Of(string name, AlertRule rule, DateTimeOffset now) =>
        rule.FindFault(now) is { } fault ? throw new FormatException(fault) : new NamedRule(name, rule, rule.ReadFilter(now));

    /// <summary>Null = the rule is disabled, or its filter does not match.</summary>
    public Watched? Watch(AlertSubject subject, EventSubject about) =>
        Rule.Enabled && Filter.Of(about) == Sight.Whole ? new Watched(subject, Terms, Rule.Text, about) : null;
}

/// <summary>A job or a worker that a rule watches, or a job with an alert of its own.</summary>
/// <param name="Text">The rule's own text; empty = the usual sentence.</param>
/// <param name="About">The job or worker as filters see it.</param>
internal sealed record Watched(AlertSubject Subject, JobAlert Terms, string Text, EventSubject About)
{
    /// <summary>By the job's own alert; null = it has none, or a wrong one.</summary>
    public static Watched? ByItself(JobEntry job, EventSubject about) =>
        job.Alert is { } alert && JobRules.FindBadAlert("", alert) is null
            ? new Watched(AlertSubject.ForJob(AlertKeys.OfJob, job.Name), alert, "", about)
            : null;
}
