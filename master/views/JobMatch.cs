namespace Dts.Master.Views;

/// <summary>Whether a job of the view matches a filter.</summary>
internal static class JobMatch
{
    /// <exception cref="FormatException">A word applies to runs only.</exception>
    public static void ThrowIfNotOfJobs(this Filter filter)
    {
        if (filter.Terms.OfType<FilterTerm.Trigger>().FirstOrDefault() is { } wrong)
        {
            throw new FormatException(
                $"filter has {FilterParser.Quote(wrong.Word)}, which does not apply to jobs: only runs have it");
        }
    }

    public static bool Matches(this Filter filter, JobEntry job, ClusterState state, DateTimeOffset now)
    {
        foreach (var term in filter.Terms)
        {
            if (Matches(term, job, state, now) == term.IsNegated)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>False = the filter does not match a job with this definition, whatever its runs are.</summary>
    public static bool MayMatch(this Filter filter, IJobFace job) => filter.Terms.All(term => ByDefinition(term, job) != term.IsNegated);

    /// <summary>Whether a word, read without its '-', means the job.</summary>
    public static bool Matches(FilterTerm term, JobEntry job, ClusterState state, DateTimeOffset now) =>
        ByDefinition(term, job) ?? term switch
        {
            FilterTerm.State(_, _, var states) => states.Any(wanted => Is(wanted, job, state)),
            FilterTerm.Worker(_, _, var ids) => ids.Any(id => job.LastWorker == id || state.Runs.IsHeldBy(job.Name, id)),
            FilterTerm.Next(_, _, var earliest, var before) => job.NextAfter(now.ToUnixTimeSeconds()) is { } next
                && next >= earliest.ToUnixTimeSeconds() && next < before.ToUnixTimeSeconds(),
            FilterTerm.NoNext => job.NextAfter(now.ToUnixTimeSeconds()) is null,
            FilterTerm.Ending(_, _, var statuses) => job.LastStatus is { } last && statuses.Contains(last),
            FilterTerm.Since(_, _, var at) => job.HasRuns && job.LastStart >= at.ToUnixTimeMilliseconds(),
            FilterTerm.Until(_, _, var at) => job.HasRuns && job.LastStart < at.ToUnixTimeMilliseconds(),
            FilterTerm.Trigger => false,
            _ => throw new System.Diagnostics.UnreachableException(),
        };

    /// <summary>Whether a word, read without its '-', means a job with this definition; null = the word asks for something else.</summary>
    public static bool? ByDefinition(FilterTerm term, IJobFace job) => term switch
    {
        FilterTerm.Text(_, _, var part) => Has(job.Name, part) || Has(job.Command, part) || Has(job.Description, part),
        FilterTerm.Job(_, _, var names) => names.Contains(job.Name),
        FilterTerm.Label(_, _, var name, var value) => job.Labels.Any(
            label => label.Key == name && (value is null || label.Value == value)),
        FilterTerm.User(_, _, var name) => job.User == name,
        _ => null,
    };

    /// <summary>Running and queued mean any such run: a failing job may have a run in flight.</summary>
    private static bool Is(JobState wanted, JobEntry job, ClusterState state) => wanted switch
    {
        JobState.Running => state.Runs.CountInFlight(job.Name) > 0,
        JobState.Queued => state.Runs.CountQueued(job.Name) > 0,
        _ => state.StateOf(job) == wanted,
    };

    private static bool Has(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);
}
