using System.Collections.Concurrent;

namespace Dts.Worker.Commands.Holders;

/// <summary>The commands that this process has started and not reaped, so that they are not taken for orphans.</summary>
/// <remarks>
/// Thread-safe, and static for one reason: what wait4(2) may reap is the whole process's affair, also when there are
/// several runners in it.
/// </remarks>
internal static class UnreapedCommands
{
    private static readonly ConcurrentDictionary<int, RunningCommand> ByPid = new();

    private static int _spawning; // how many spawns are under way
    private static int _spawns;   // how many have begun, ever

    /// <summary>Spawns with <paramref name="spawn"/>, which answers null if it cannot; nothing is reaped as an orphan meanwhile.</summary>
    public static RunningCommand? Spawn(Func<RunningCommand?> spawn)
    {
        Interlocked.Increment(ref _spawning);
        Interlocked.Increment(ref _spawns);
        try
        {
            var running = spawn();
            if (running is not null)
            {
                ByPid[running.Pid] = running;
            }

            return running;
        }
        finally
        {
            Interlocked.Decrement(ref _spawning);
        }
    }

    /// <summary>Forgets a command, after it was reaped (its pid may be another one's by now).</summary>
    public static void Remove(RunningCommand running) => _ = ByPid.TryRemove(new(running.Pid, running));

    /// <summary>
    /// Reaps orphaned descendants that have ended; one that cannot be told from a command just being spawned is left for the
    /// next time. False when we have no children at all, so that there is nothing to come back for.
    /// </summary>
    public static bool ReapOrphans()
    {
        while (true)
        {
            var calm = FindCalm();
            var pid = Native.FindEnded();
            if (!IsCertainlyOrphan(pid, calm))
            {
                return pid != -Native.ECHILD;
            }

            _ = Native.Reap(pid);
        }
    }

    /// <summary>
    /// Reaps these of a command that was killed, which have become our orphans, if they have ended; what is left the next sweep gets.
    /// </summary>
    public static void ReapOrphans(IEnumerable<int> descendants)
    {
        var calm = FindCalm();
        foreach (var pid in descendants.Where(pid => IsCertainlyOrphan(pid, calm)))
        {
            _ = Native.Reap(pid);
        }
    }

    // No lock: a real-time thread spawns, and must not wait for an ordinary one that was put aside while it held one. Instead: when no
    // spawn was under way at a moment and none has begun since, every process of ours that there is has its entry in the table.
    private static int? FindCalm()
    {
        var spawns = Volatile.Read(ref _spawns);
        return Volatile.Read(ref _spawning) == 0 && Volatile.Read(ref _spawns) == spawns ? spawns : null;
    }

    private static bool IsCertainlyOrphan(int pid, int? calm) =>
        calm is { } spawns && Interlocked.CompareExchange(ref _spawns, 0, 0) == spawns && IsOrphan(pid);

    // A child in our own session is neither a command nor an orphan of one: whoever started it will reap it.
    private static bool IsOrphan(int pid) =>
        pid > 0 && !ByPid.ContainsKey(pid) && Native.SessionOf(pid) != Native.SessionOf(0);
}
