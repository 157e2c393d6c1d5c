using Dts.Common.Etcd;

namespace Dts.Master.Views;

/// <summary>The cluster as this master sees it: lists are answered from here, and ask neither etcd nor the log.</summary>
/// <remarks>Thread-safe. Questions and changes take turns; none of them waits for anything else.</remarks>
internal sealed class ClusterView(ClusterState state)
{
    private readonly Lock _gate = new();
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

    /// <exception cref="EtcdException">The tables have not been listed yet.</exception>
    public T Ask<T>(Func<ClusterState, T> question)
    {
        if (!IsListed)
        {
            throw new EtcdException(
                EtcdError.Unavailable, "this master has not read jobs, runs and workers yet; lists are answered when it has");
        }

        lock (_gate)
        {
            return question(state);
        }
    }

    /// <summary>A table has been listed for the first time.</summary>
    public void NoteListed() => Interlocked.Decrement(ref _tablesToCome);

    public void Change(Action<ClusterState> change)
    {
        lock (_gate)
        {
            change(state);
        }
    }

    /// <summary>For the keeper of the view, which may look before all is listed.</summary>
    public T Take<T>(Func<ClusterState, T> take)
    {
        lock (_gate)
        {
            return take(state);
        }
    }
}
