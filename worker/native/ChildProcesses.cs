using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>Children of this process: to hear of their ends, reap them, and signal them.</summary>
internal static unsafe partial class ChildProcesses
{
    public const int SIGKILL = 9;
    public const int SIGTERM = 15;
    public const int SIGCONT = 18;

    private const int PR_SET_CHILD_SUBREAPER = 36;
    private const int P_ALL = 0;
    private const int P_PID = 1;
    private const int WNOHANG = 1;
    private const int WEXITED = 4;
    private const int WNOWAIT = 0x01000000;
    private const int SYS_pidfd_open = 434; // glibc 2.34 (CentOS Stream 9) has no wrapper for it.

    // struct rusage begins with two timevals, user and system, each seconds and microseconds; then comes ru_maxrss.
    private const int UsageSize = 18;
    private const int MaxRss = 4;

    /// <summary>Makes orphaned descendants children of this process instead of init's (PR_SET_CHILD_SUBREAPER).</summary>
    public static int AdoptOrphans() => Errno.Checked(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));

    /// <summary>A descriptor of one process, and of no later one of the same number; it is readable once the process has ended.</summary>
    public static int OpenPidFd(int pid) => Errno.Checked((int)syscall(SYS_pidfd_open, pid, 0, 0, 0));

    /// <summary>Signals a whole process group, as the shell's <c>kill -TERM -pgid</c> does.</summary>
    public static int SignalGroup(int group, int signal) => Errno.Checked(kill(-group, signal));

    public static int SessionOf(int pid) => getsid(pid);

    /// <summary>The pid of a child that has ended and waits to be reaped, 0 if there is none, -ECHILD if there are no children.</summary>
    public static int FindEnded() => PeekEnded(P_ALL, 0);

    /// <summary>Whether a child has ended (it stays unreaped).</summary>
    public static bool HasEnded(int pid) => PeekEnded(P_PID, pid) == pid;

    /// <summary>Reaps a child that has ended (wait4(2)); null = it has not.</summary>
    public static Reaped? Reap(int pid)
    {
        int status;
        var usage = stackalloc long[UsageSize];
        return wait4(pid, &status, WNOHANG, usage) == pid ? new Reaped(status, MillisecondsOf(usage), usage[MaxRss]) : null;
    }

    private static long MillisecondsOf(long* usage) => ((usage[0] + usage[2]) * 1000) + ((usage[1] + usage[3]) / 1000);

    private static int PeekEnded(int kind, int pid)
    {
        // siginfo_t: si_signo, si_errno, si_code, then, aligned to eight bytes, si_pid.
        var info = stackalloc int[32];
        info[4] = 0;
        return waitid(kind, pid, info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info[4] : -Marshal.GetLastPInvokeError();
    }

    /// <summary>A reaped child: its wait status, its processor time (user and system) and its largest resident set.</summary>
    public readonly record struct Reaped(int Status, long CpuMs, long MaxRssKb)
    {
        public int? ExitCode => (Status & 0x7f) == 0 ? (Status >> 8) & 0xff : null;

        public int? Signal => (Status & 0x7f) == 0 ? null : Status & 0x7f;
    }

    [LibraryImport("libc", SetLastError = true)] private static partial int prctl(int option, nuint a, nuint b, nuint c, nuint d);
    [LibraryImport("libc", SetLastError = true)] private static partial int kill(int pid, int signal);
    [LibraryImport("libc", SetLastError = true)] private static partial int getsid(int pid);
    [LibraryImport("libc", SetLastError = true)] private static partial int waitid(int kind, int pid, int* info, int options);
    [LibraryImport("libc", SetLastError = true)] private static partial int wait4(int pid, int* status, int options, long* usage);
    [LibraryImport("libc", SetLastError = true)] private static partial nint syscall(nint number, nint a, nint b, nint c, nint d);
}
