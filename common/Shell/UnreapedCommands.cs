using System.Collections.Concurrent;

namespace Dts.Common.Shell;

/// <summary>The commands that this process has started and not reaped, so that they are not taken for orphans.</summary>
/// <remarks>
/// Thread-safe, and static for one reason: what wait4(2) may reap is the whole process's affair, also when there are
/// several runners in it.
/// </remarks>
internal static class UnreapedCommands
{
    private const int LockTimeoutMs = 20;

    private static readonly ReaderWriterLockSlim Spawning = new();
    private static readonly ConcurrentDictionary<int, RunningCommand> ByPid = new();

    /// <summary>Spawns with <paramref name="spawn"/>, which answers null if it cannot; nothing is reaped as an orphan meanwhile.</summary>
    public static RunningCommand? Spawn(Func<RunningCommand?> spawn)
    {
        Spawning.EnterReadLock();
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
            Spawning.ExitReadLock();
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
        var pid = Native.FindEnded();
        if (!IsOrphan(pid) || !Spawning.TryEnterWriteLock(0))
        {
            return pid != -Native.ECHILD;
        }

        try
        {
            while (IsOrphan(pid))
            {
                _ = Native.Reap(pid);
                pid = Native.FindEnded();
            }

            return pid != -Native.ECHILD;
        }
        finally
        {
            Spawning.ExitWriteLock();
        }
    }

    /// <summary>Reaps these of a command that was killed, which have become our orphans, if they have ended.</summary>
    public static void ReapOrphans(IEnumerable<int> descendants)
    {
        if (!Spawning.TryEnterWriteLock(LockTimeoutMs))
        {
            return; // The next sweep gets them.
        }

        try
        {
            foreach (var pid in descendants.Where(IsOrphan))
            {
                _ = Native.Reap(pid);
            }
        }
        finally
        {
            Spawning.ExitWriteLock();
        }
    }

    // A child in our own session is neither a command nor an orphan of one: whoever started it will reap it.
    private static bool IsOrphan(int pid) =>
        pid > 0 && !ByPid.ContainsKey(pid) && Native.SessionOf(pid) != Native.SessionOf(0);
}
