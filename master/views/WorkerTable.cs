using Dts.Common.Jobs;

namespace Dts.Master.Views;

/// <summary>The workers that are registered, and those that left less than a day ago.</summary>
/// <remarks>Not thread-safe; <see cref="ClusterState"/> owns it. A new master does not know workers that left before.</remarks>
internal sealed class WorkerTable
{
    public static readonly TimeSpan ShownFor = TimeSpan.FromDays(1);

    private readonly SortedDictionary<string, WorkerEntry> _workers = new(StringComparer.Ordinal);

    public IEnumerable<WorkerEntry> All => _workers.Values;

    /// <param name="clockAhead">How far its clock was ahead when the registration came; null = the registration may be old.</param>
    public void Put(string id, WorkerRegistration registration, TimeSpan? clockAhead = null) =>
        _workers[id] = new WorkerEntry(id, registration, LeftAt: null, clockAhead ?? Find(id)?.ClockAhead);

    public WorkerEntry? Find(string id) => _workers.GetValueOrDefault(id);

    /// <returns>True = it was there.</returns>
    public bool Remove(string id, DateTimeOffset now)
    {
        if (!_workers.TryGetValue(id, out var worker) || worker.LeftAt is not null)
        {
            return false;
        }

        _workers[id] = worker with { LeftAt = now };
        return true;
    }

    /// <summary>A registration differs from the known one in more than its clock.</summary>
    public static bool IsOther(WorkerRegistration known, WorkerRegistration said) =>
        known.Process != said.Process
        || known.Refuses != said.Refuses
        || known.Drain != said.Drain
        || known.Slots != said.Slots
        || known.Address != said.Address
        || known.Labels.Count != said.Labels.Count
        || known.Labels.Except(said.Labels).Any();

    public void Expire(DateTimeOffset now)
    {
        foreach (var worker in _workers.Values.Where(worker => worker.LeftAt + ShownFor < now).ToList())
        {
            _workers.Remove(worker.Id);
        }
    }
}

/// <param name="LeftAt">When its registration went; null = it is there.</param>
internal sealed record WorkerEntry(string Id, WorkerRegistration Registration, DateTimeOffset? LeftAt, TimeSpan? ClockAhead);
