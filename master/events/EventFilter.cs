using Dts.Common.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Events;

/// <summary>The job, worker and ending that an event is about, as filters see them.</summary>
/// <param name="Before">The job before the event; null = it did not exist.</param>
/// <param name="After">The job after it; null = it does not exist.</param>
/// <param name="Worker">The worker that the event is about, or that has the run; empty = none.</param>
/// <param name="Ending">How the run ended; null = it has not ended, or its ending is not known yet.</param>
internal sealed record EventSubject(JobFace? Before, JobFace? After, string Worker = "", RunStatus? Ending = null)
{
    /// <summary>Of an event for all listeners.</summary>
    public static EventSubject Everyone { get; } = new(null, null);

    public static EventSubject Of(JobEntry? job, string worker = "") => new(null, job is null ? null : JobFace.Of(job), worker);
}

/// <summary>Which events a listener gets: the filters of lists, without those words whose answer changes without an event.</summary>
/// <param name="scope">The jobs that the listener may see, by name, labels and user; every listener may see workers.</param>
/// <param name="isOfJobsOnly">Events about no job do not match.</param>
internal sealed class EventFilter(Filter filter, Filter? scope = null, bool isOfJobsOnly = false)
{
    /// <exception cref="FormatException">The answer to a word changes without an event; the message names the word.</exception>
    public static EventFilter Read(Filter filter, Filter? scope = null, bool isOfJobsOnly = false)
    {
        if (filter.Terms.FirstOrDefault(term => !IsOfEvents(term)) is { } wrong)
        {
            throw new FormatException(
                $"filter has {FilterParser.Quote(wrong.Word)}, which does not apply to events: "
                + "they report changes, not the state of jobs; expected job:, label:, user:, worker:, ending: or a text");
        }

        return new EventFilter(filter, scope, isOfJobsOnly);
    }

    /// <summary>How much of an event the listener sees.</summary>
    public Sight Of(EventSubject subject) =>
        ReferenceEquals(subject, EventSubject.Everyone) || Matches(subject, subject.After) ? Sight.Whole
        : subject.Before is not null && Matches(subject, subject.Before) ? Sight.Gone
        : Sight.None;

    private bool Matches(EventSubject subject, JobFace? job)
    {
        var isOfNoJob = subject is { Before: null, After: null };
        return !(isOfJobsOnly && isOfNoJob)
            && MatchesAll(filter, subject, job)
            && (scope is not { IsEverything: false } || isOfNoJob || (job is not null && MatchesAll(scope, subject, job)));
    }

    private static bool MatchesAll(Filter filter, EventSubject subject, JobFace? job) =>
        filter.Terms.All(term => Matches(term, subject, job) != term.IsNegated);

    private static bool Matches(FilterTerm term, EventSubject subject, JobFace? job) => term switch
    {
        FilterTerm.Text(_, _, var part) => job is not null
            && (Has(job.Name, part) || Has(job.Command, part) || Has(job.Description, part)),
        FilterTerm.Job(_, _, var names) => job is not null && names.Contains(job.Name),
        FilterTerm.Label(_, _, var name, var value) => job is not null
            && job.Labels.Any(label => label.Key == name && (value is null || label.Value == value)),
        FilterTerm.User(_, _, var name) => job is not null && job.User == name,
        FilterTerm.Worker(_, _, var ids) => ids.Contains(subject.Worker),
        FilterTerm.Ending(_, _, var statuses) => subject.Ending is { } ending && statuses.Contains(ending),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    private static bool IsOfEvents(FilterTerm term) => term is FilterTerm.Text or FilterTerm.Job or FilterTerm.Label or FilterTerm.User
        or FilterTerm.Worker or FilterTerm.Ending;

    private static bool Has(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);
}

/// <summary>How much of an event a listener sees.</summary>
internal enum Sight
{
    /// <summary>Nothing.</summary>
    None,

    Whole,

    /// <summary>Only that the job is gone: it was deleted, or it no longer matches the filter.</summary>
    Gone,
}
