using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>Jobs whose dependents lead back to them.</summary>
/// <param name="Names">All jobs that lead to each other, as far as they were looked at.</param>
/// <param name="Way">A way from one of them back to it.</param>
internal sealed record JobCycle(IReadOnlyCollection<string> Names, IReadOnlyList<string> Way)
{
    /// <summary>A way from a job along its dependents back to it; null = there is none.</summary>
    public static JobCycle? Find(string start, IReadOnlyDictionary<string, Job> jobs)
    {
        var cameFrom = new Dictionary<string, string>();
        var next = new Queue<string>([start]);
        while (next.TryDequeue(out var name))
        {
            foreach (var dependent in jobs.GetValueOrDefault(name)?.Dependents ?? [])
            {
                if (dependent == start)
                {
                    List<string> way = [start, name];
                    while (name != start)
                    {
                        way.Add(name = cameFrom[name]);
                    }

                    way.Reverse();
                    return new JobCycle([.. jobs.Keys], way);
                }

                if (cameFrom.TryAdd(dependent, name))
                {
                    next.Enqueue(dependent);
                }
            }
        }

        return null;
    }

    /// <param name="shownName">The name of a job as the caller may see it.</param>
    public string Explain(Func<string, string> shownName) =>
        $"then, onFailure or always lead back to the job itself ({Display.Line(string.Join(" > ", Way.Select(shownName)))}); "
            + "expected no cycle";
}

/// <summary>Finds the cycles of dependents in one pass over jobs and dependents.</summary>
/// <remarks>Tarjan's strongly connected components, without recursion: a chain may be as long as there are jobs.</remarks>
internal sealed class JobCycles
{
    private readonly IReadOnlyDictionary<string, Job> _jobs;
    private readonly Dictionary<string, Visit> _visits = [];
    private readonly Stack<Visit> _open = new(); // Visited, and not yet in a component.
    private readonly Stack<Visit> _way = new();  // From the start of the search to its present job.

    private JobCycles(IReadOnlyDictionary<string, Job> jobs) => _jobs = jobs;

    public static IEnumerable<JobCycle> Find(IReadOnlyDictionary<string, Job> jobs)
    {
        var cycles = new JobCycles(jobs);
        return jobs.Where(job => job.Value.Dependents.Any()).SelectMany(job => cycles.FindFrom(job.Key));
    }

    /// <summary>The cycles that a job leads to and that were not found before.</summary>
    private List<JobCycle> FindFrom(string start)
    {
        List<JobCycle> found = [];
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

            if (visit.Lowest == visit.Number && Close(visit) is { } cycle)
            {
                found.Add(cycle);
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

    /// <summary>Takes the component that begins with a job from the open ones; null = it is not a cycle.</summary>
    private JobCycle? Close(Visit first)
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

        return JobCycle.Find(first.Name, component);
    }

    /// <summary>A job that the search has reached.</summary>
    /// <param name="number">Its place in the order of the search.</param>
    /// <param name="rest">The dependents that have not been followed yet.</param>
    private sealed class Visit(string name, int number, Queue<string> rest)
    {
        public string Name => name;

        public int Number { get; } = number;

        public Queue<string> Rest => rest;

        /// <summary>The lowest number among the open jobs that it leads to, as far as is known.</summary>
        public int Lowest { get; set; } = number;

        public bool IsOpen { get; set; } = true;
    }
}
