using Dts.Common.Jobs;

namespace Dts.Master.Views;

/// <summary>The workers that are registered, and those that left less than a day ago.</summary>
/// <remarks>Not thread-safe; <see cref="ClusterState"/> owns it. A master that has just started does not know who left before.</remarks>
internal sealed class WorkerTable
{
    public static readonly TimeSpan ShownFor = TimeSpan.FromDays(1);

    private readonly SortedDictionary<string, WorkerEntry> _workers = new(StringComparer.Ordinal);

    public IEnumerable<WorkerEntry> All => _workers.Values;

    public void Put(string id, WorkerRegistration registration) => _workers[id] = new WorkerEntry(id, registration, LeftAt: null);

    public void Remove(string id, DateTimeOffset now)
    {
        if (_workers.TryGetValue(id, out var worker) && worker.LeftAt is null)
        {
            _workers[id] = worker with { LeftAt = now };
        }
    }

    public void Expire(DateTimeOffset now)
    {
        foreach (var worker in _workers.Values.Where(worker => worker.LeftAt + ShownFor < now).ToList())
        {
            _workers.Remove(worker.Id);
        }
    }
}

/// <param name="LeftAt">When its registration went; null = it is there.</param>
internal sealed record WorkerEntry(string Id, WorkerRegistration Registration, DateTimeOffset? LeftAt);
