using Dts.Common.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Events;

/// <summary>What an event is about, for the listeners' filters.</summary>
/// <param name="Before">The job before the event; null = it did not exist.</param>
/// <param name="After">The job after it; null = it does not exist.</param>
/// <param name="Worker">The worker that the event is about, or that has the run; empty = none.</param>
/// <param name="Ending">How the run ended; null = it has not, or this is not known yet.</param>
internal sealed record EventSubject(JobFace? Before, JobFace? After, string Worker = "", RunStatus? Ending = null)
{
    /// <summary>It concerns every listener.</summary>
    public static EventSubject Everyone { get; } = new(null, null);
}

/// <summary>Which events a listener gets: the language of lists, as far as it does not ask how a job stands at a moment.</summary>
/// <param name="scope">The jobs that the listener may see, by name, labels and user; workers are no secret.</param>
/// <param name="isOfJobsOnly">What is about no job does not match.</param>
internal sealed class EventFilter(Filter filter, Filter? scope = null, bool isOfJobsOnly = false)
{
    /// <exception cref="FormatException">A word asks for what changes without an event; the message names it.</exception>
    public static EventFilter Read(Filter filter, Filter? scope = null, bool isOfJobsOnly = false)
    {
        if (filter.Terms.FirstOrDefault(term => !IsOfEvents(term)) is { } wrong)
        {
            throw new FormatException(
                $"filter has {FilterParser.Quote(wrong.Word)}, which is no question to events: "
                + "they tell of changes, not of how jobs stand; expected job:, label:, user:, worker:, ending: or a text");
        }

        return new EventFilter(filter, scope, isOfJobsOnly);
    }

    /// <summary>How the listener sees an event.</summary>
    public Sight Of(EventSubject subject) =>
        ReferenceEquals(subject, EventSubject.Everyone) || Matches(subject, subject.After) ? Sight.Whole
        : subject.Before is not null && Matches(subject, subject.Before) ? Sight.Gone
        : Sight.None;

    private bool Matches(EventSubject subject, JobFace? job) =>
        !(isOfJobsOnly && subject is { Before: null, After: null })
        && filter.Terms.All(term => Matches(term, subject, job) != term.IsNegated)
        && (scope is not { IsEverything: false }
            || subject is { Before: null, After: null }
            || (job is not null && scope.Terms.All(term => Matches(term, subject, job) != term.IsNegated)));

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

/// <summary>How a listener sees an event.</summary>
internal enum Sight
{
    /// <summary>Not at all.</summary>
    None,

    Whole,

    /// <summary>The job is out of its sight now: deleted, or no longer in its filter.</summary>
    Gone,
}
