using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>Jobs whose dependents lead back to them.</summary>
/// <param name="Names">All jobs that lead to each other.</param>
/// <param name="Way">A way from one of them back to it.</param>
internal sealed record JobCircle(IReadOnlyList<string> Names, IReadOnlyList<string> Way);

/// <summary>Finds the circles among jobs in one pass over jobs and dependents.</summary>
/// <remarks>Tarjan's strongly connected components, without recursion: a chain may be as long as there are jobs.</remarks>
internal sealed class JobCircles
{
    private readonly IReadOnlyDictionary<string, Job> _jobs;
    private readonly Dictionary<string, Visit> _visits = [];
    private readonly Stack<Visit> _open = new(); // Visited, and not yet in a component.
    private readonly Stack<Visit> _way = new();  // From where the search began to where it is.

    private JobCircles(IReadOnlyDictionary<string, Job> jobs) => _jobs = jobs;

    public static IEnumerable<JobCircle> Find(IReadOnlyDictionary<string, Job> jobs)
    {
        var circles = new JobCircles(jobs);
        return jobs.Where(job => job.Value.Dependents.Any()).SelectMany(job => circles.FindFrom(job.Key));
    }

    /// <summary>The circles that a job leads to and that were not found before.</summary>
    private List<JobCircle> FindFrom(string start)
    {
        List<JobCircle> found = [];
        if (!_visits.ContainsKey(start))
        {
            Begin(start);
        }

        while (_way.TryPeek(out var visit))
        {
            if (visit.Rest.TryDequeue(out var dependent))
            {
                Follow(visit, dependent);
                continue;
            }

            _way.Pop();
            if (_way.TryPeek(out var before))
            {
                before.Lowest = Math.Min(before.Lowest, visit.Lowest);
            }

            if (visit.Lowest == visit.Number && Close(visit) is { } circle)
            {
                found.Add(circle);
            }
        }

        return found;
    }

    private void Begin(string name)
    {
        var visit = new Visit(name, _visits.Count, new Queue<string>(_jobs[name].Dependents.Where(_jobs.ContainsKey)));
        _visits.Add(name, visit);
        _open.Push(visit);
        _way.Push(visit);
    }

    private void Follow(Visit visit, string dependent)
    {
        if (!_visits.TryGetValue(dependent, out var known))
        {
            Begin(dependent);
        }
        else if (known.IsOpen)
        {
            visit.Lowest = Math.Min(visit.Lowest, known.Number);
        }
    }

    /// <summary>Takes the component that begins with a job from those that are open; null = it is no circle.</summary>
    private JobCircle? Close(Visit first)
    {
        var component = new Dictionary<string, Job>();
        Visit last;
        do
        {
            last = _open.Pop();
            last.IsOpen = false;
            component.Add(last.Name, _jobs[last.Name]);
        }
        while (last != first);

        return JobStore.FindCycle(first.Name, component) is { } way ? new JobCircle([.. component.Keys], way) : null;
    }

    /// <summary>A job that the search has come to.</summary>
    /// <param name="number">Its place in the order of the search.</param>
    /// <param name="rest">The dependents that are still to be followed.</param>
    private sealed class Visit(string name, int number, Queue<string> rest)
    {
        public string Name => name;

        public int Number { get; } = number;

        public Queue<string> Rest => rest;

        /// <summary>The lowest number of an open job that it is known to lead to.</summary>
        public int Lowest { get; set; } = number;

        public bool IsOpen { get; set; } = true;
    }
}
