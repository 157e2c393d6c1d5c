using System.Collections.Concurrent;
using Dts.Worker.Native;

namespace Dts.Worker.Commands.Holders;

/// <summary>The commands that this process has started and not reaped, so that they are not reaped as orphans.</summary>
/// <remarks>Thread-safe. Static, because wait4(2) reaps children of the whole process, however many runners it has.</remarks>
internal static class UnreapedCommands
{
    private static readonly ConcurrentDictionary<int, RunningCommand> ByPid = new();

    private static int _spawning; // how many spawns are under way
    private static int _spawns;   // how many have begun, ever

    /// <summary>Calls <paramref name="spawn"/>, which returns null if it fails; no orphan is reaped meanwhile.</summary>
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

    /// <summary>Removes a command that was reaped; another may have its pid by now.</summary>
    public static void Remove(RunningCommand running) => _ = ByPid.TryRemove(new(running.Pid, running));

    /// <summary>
    /// Reaps orphaned descendants that have ended. One that may be a command just being spawned is left for the next call. False = this
    /// process has no children, so no further call is needed.
    /// </summary>
    public static bool ReapOrphans()
    {
        while (true)
        {
            var calm = FindCalm();
            var pid = ChildProcesses.FindEnded();
            if (!IsCertainlyOrphan(pid, calm))
            {
                return pid != -Errno.ECHILD;
            }

            _ = ChildProcesses.Reap(pid);
        }
    }

    /// <summary>
    /// Reaps the descendants of a killed command that have become orphans and have ended; the next sweep reaps the others.
    /// </summary>
    public static void ReapOrphans(IEnumerable<int> descendants)
    {
        var calm = FindCalm();
        foreach (var pid in descendants.Where(pid => IsCertainlyOrphan(pid, calm)))
        {
            _ = ChildProcesses.Reap(pid);
        }
    }

    // No lock: the thread that spawns is real-time and must not wait for an ordinary one that holds the lock and does not run. Instead: if
    // no spawn was under way at a moment and none has begun since, all commands of this process are in the table.
    private static int? FindCalm()
    {
        var spawns = Volatile.Read(ref _spawns);
        return Volatile.Read(ref _spawning) == 0 && Volatile.Read(ref _spawns) == spawns ? spawns : null;
    }

    private static bool IsCertainlyOrphan(int pid, int? calm) =>
        calm is { } spawns && Interlocked.CompareExchange(ref _spawns, 0, 0) == spawns && IsOrphan(pid);

    // A child in this process's own session is neither a command nor an orphan of one.
    private static bool IsOrphan(int pid) =>
        pid > 0 && !ByPid.ContainsKey(pid) && ChildProcesses.SessionOf(pid) != ChildProcesses.SessionOf(0);
}
