using System.Collections.Concurrent;
using Dts.Common.Etcd;

namespace Dts.Master.Views;

/// <summary>The cluster as this master sees it. It answers lists, without a read of etcd or the log.</summary>
/// <remarks>Thread-safe. Questions and changes take turns, and wait for nothing else.</remarks>
internal sealed class ClusterView(ClusterState state)
{
    /// <summary>How old an answer may be. An older one would show workers and runs that are long gone.</summary>
    public static readonly TimeSpan OldestAnswer = TimeSpan.FromMinutes(1);

    /// <summary>How many tables in etcd the view waits for: jobs, runs, the queue, requests to kill, workers.</summary>
    public const int Tables = 5;

    private readonly Lock _gate = new();
    private readonly ConcurrentBag<Func<TimeSpan>> _cutOffs = [];
    private readonly List<Action<ClusterState, IReadOnlyList<ClusterChange>>> _observers = [];
    private int _tablesToCome = Tables;

    public bool IsListed => Volatile.Read(ref _tablesToCome) <= 0;

    /// <summary>The time since changes in etcd stopped coming; zero = they come.</summary>
    public TimeSpan CutOff => _cutOffs.Select(cutOff => cutOff()).Append(TimeSpan.Zero).Max();

    /// <exception cref="EtcdException">The tables have not been listed yet, or have not been followed for too long.</exception>
    public T Ask<T>(Func<ClusterState, T> question)
    {
        if (!IsListed)
        {
            throw new EtcdException(
                EtcdError.Unavailable, "this master has not read jobs, runs and workers yet; lists are answered when it has");
        }

        if (CutOff is var cutOff && cutOff > OldestAnswer)
        {
            throw new EtcdException(
                EtcdError.Unavailable,
                $"this master has not been able to follow etcd for {cutOff.TotalSeconds:0} s; lists are answered when it can again");
        }

        return Take(question);
    }

    /// <summary>Adds a watch that keeps a table.</summary>
    /// <param name="cutOff">The time since its changes stopped coming.</param>
    public void Follow(Func<TimeSpan> cutOff) => _cutOffs.Add(cutOff);

    /// <summary>Notes the first listing of a table.</summary>
    public void NoteListed() => Interlocked.Decrement(ref _tablesToCome);

    /// <summary>Calls an observer with each later change, under the view's lock: it must not wait.</summary>
    /// <remarks>Observers are added before the first listings, which they see, too.</remarks>
    public void Observe(Action<ClusterState, IReadOnlyList<ClusterChange>> observer)
    {
        _observers.Add(observer);
        state.KeepsChanges = true;
    }

    public void Change(Action<ClusterState> change) => Take(taken =>
    {
        change(taken);
        if (taken.TakeChanges() is { Count: > 0 } changes)
        {
            _observers.ForEach(observer => observer(taken, changes));
        }

        return true;
    });

    /// <summary>Asks even if not all tables are listed.</summary>
    public T Take<T>(Func<ClusterState, T> take)
    {
        lock (_gate)
        {
            return take(state);
        }
    }
}
