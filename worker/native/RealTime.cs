using System.Globalization;
using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>Real-time priority of threads and processes: SCHED_RR, which runs before all ordinary threads (sched(7)).</summary>
internal static unsafe partial class RealTime
{
    public const int SCHED_RR = 2;
    public const int SCHED_RESET_ON_FORK = 0x40000000;

    private const int SCHED_OTHER = 0;
    private const int RLIMIT_RTPRIO = 14;

    /// <summary>Gives this thread real-time priority, which nothing that it starts inherits; false if this process must not.</summary>
    public static bool TryEnter() => TrySetPolicy(0, SCHED_RR | SCHED_RESET_ON_FORK);

    /// <summary>
    /// Gives this thread, and all that it starts, real-time priority until <see cref="Leave"/>; false if this process must not, or if
    /// the thread has another policy already.
    /// </summary>
    public static bool TryEnterForSpawn(out int formerPolicy)
    {
        formerPolicy = sched_getscheduler(0);
        return formerPolicy == SCHED_RR
            || (formerPolicy is SCHED_OTHER or (SCHED_RR | SCHED_RESET_ON_FORK) && TrySetPolicy(0, SCHED_RR));
    }

    /// <summary>Makes a new process (if above 0) an ordinary one, and restores this thread's former policy.</summary>
    public static void Leave(int pid, int formerPolicy)
    {
        // Only a privileged process may clear the flag; left set, it has almost no effect on an ordinary process.
        _ = pid <= 0 || TrySetPolicy(pid, SCHED_OTHER) || TrySetPolicy(pid, SCHED_OTHER | SCHED_RESET_ON_FORK);
        _ = formerPolicy == SCHED_RR || TrySetPolicy(0, formerPolicy);
    }

    /// <summary>Makes all threads of this process ordinary except its first, which is the caller.</summary>
    public static void LeaveInOtherThreads()
    {
        foreach (var folder in Directory.GetDirectories("/proc/self/task"))
        {
            var thread = int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture);
            _ = thread == Environment.ProcessId || TrySetPolicy(thread, SCHED_OTHER);
        }
    }

    /// <summary>Forbids real-time priority to all processes started from now on; threads that have it keep it (RLIMIT_RTPRIO).</summary>
    public static void GiveUp()
    {
        var none = stackalloc ulong[] { 0, 0 };
        _ = setrlimit(RLIMIT_RTPRIO, none);
    }

    private static bool TrySetPolicy(int pid, int policy)
    {
        var priority = (policy & ~SCHED_RESET_ON_FORK) == SCHED_RR ? 1 : 0;
        return sched_setscheduler(pid, policy, &priority) == 0;
    }

    [LibraryImport("libc", SetLastError = true)] private static partial int setrlimit(int resource, ulong* limits);
    [LibraryImport("libc", SetLastError = true)] private static partial int sched_getscheduler(int pid);
    [LibraryImport("libc", SetLastError = true)] private static partial int sched_setscheduler(int pid, int policy, int* priority);
}
