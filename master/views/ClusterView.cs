using System.Collections.Concurrent;
using Dts.Common.Etcd;

namespace Dts.Master.Views;

/// <summary>The cluster as this master sees it: lists are answered from here, and ask neither etcd nor the log.</summary>
/// <remarks>Thread-safe. Questions and changes take turns; none of them waits for anything else.</remarks>
internal sealed class ClusterView(ClusterState state)
{
    /// <summary>How old an answer may be; an older one would tell of workers and runs that are long gone.</summary>
    public static readonly TimeSpan OldestAnswer = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly ConcurrentBag<Func<TimeSpan>> _cutOffs = [];
    private readonly List<Action<ClusterState, IReadOnlyList<ClusterChange>>> _observers = [];
    private int _tablesToCome = Enum.GetValues<Table>().Length;

    /// <summary>A table in etcd whose first listing the view waits for.</summary>
    public enum Table
    {
        Jobs,

        Runs,

        Queue,

        Kills,

        Workers,
    }

    public bool IsListed => Volatile.Read(ref _tablesToCome) <= 0;

    /// <summary>For how long changes in etcd have not come; zero = they come.</summary>
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

    /// <summary>A table of the view is kept by a watch.</summary>
    /// <param name="cutOff">For how long its changes have not come.</param>
    public void Follow(Func<TimeSpan> cutOff) => _cutOffs.Add(cutOff);

    /// <summary>A table has been listed for the first time.</summary>
    public void NoteListed() => Interlocked.Decrement(ref _tablesToCome);

    /// <summary>Tells of each change from now on, under the view's lock: the observer must not wait.</summary>
    /// <remarks>Called before the view is kept. Also told are the first listings, until <see cref="IsListed"/>.</remarks>
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

    /// <summary>For the keeper of the view, which may look before all is listed.</summary>
    public T Take<T>(Func<ClusterState, T> take)
    {
        lock (_gate)
        {
            return take(state);
        }
    }
}
