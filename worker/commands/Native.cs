using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Dts.Worker.Commands;

/// <summary>Every call into libc that only the worker makes, under a name that says what it is for.</summary>
/// <remarks>
/// Numbers and layouts are those of Linux with glibc on x86-64 and arm64. pidfd_open goes through <c>syscall</c>,
/// because glibc 2.34 (CentOS Stream 9) has no wrapper for it. File descriptors are plain ints: each
/// has one owner, which closes it. Methods that return an int answer -errno when they fail, and never throw.
/// </remarks>
[SuppressMessage("Interoperability", "CA1401", Justification = "Nothing here is public.")]
internal static unsafe partial class Native
{
    public const int SIGKILL = 9;
    public const int SIGTERM = 15;
    public const int SIGCONT = 18;

    public const int EINTR = 4;
    public const int ECHILD = 10;
    public const int EAGAIN = 11;
    public const int ENOTDIR = 20;
    public const int EMFILE = 24;
    public const int ECANCELED = 125;

    private const uint MFD_CLOEXEC = 1;
    private const int O_RDONLY = 0;
    private const int O_WRONLY = 1;
    private const int O_RDWR = 2;
    private const int O_CREAT = 0x40;
    private const int O_TRUNC = 0x200;
    private const int O_NONBLOCK = 0x800;
    private const int O_CLOEXEC = 0x80000;
    private const int O_PATH = 0x200000;
    private const int F_SETFL = 4;
    private const int F_DUPFD_CLOEXEC = 1030;
    private const int X_OK = 1;
    private const int FIONREAD = 0x541B;
    private const int CLOCK_REALTIME = 0;
    private const int TFD_TIMER_ABSTIME = 1;
    private const int TFD_TIMER_CANCEL_ON_SET = 2;
    private const int PR_SET_TIMERSLACK = 29;
    private const int PR_SET_CHILD_SUBREAPER = 36;
    private const int PR_CAP_AMBIENT = 47;
    private const int PR_CAP_AMBIENT_RAISE = 2;
    private const int PR_CAP_AMBIENT_CLEAR_ALL = 4;
    private const int CAP_SETGID = 6;
    private const int CAP_SETUID = 7;
    private const int RUSAGE_SELF = 0;
    private const int RLIMIT_RTPRIO = 14;
    private const int P_ALL = 0;
    private const int P_PID = 1;
    private const int SOL_SOCKET = 1;
    private const int SCM_RIGHTS = 1;
    private const int MSG_CTRUNC = 0x08;
    private const int MSG_DONTWAIT = 0x40;
    private const int MSG_NOSIGNAL = 0x4000;
    private const int MSG_CMSG_CLOEXEC = 0x40000000;
    private const int WNOHANG = 1;
    private const int WEXITED = 4;
    private const int WNOWAIT = 0x01000000;
    private const int EPOLLIN = 1;
    private const int EPOLL_CTL_ADD = 1;
    private const int EPOLL_CTL_DEL = 2;
    private const int SYS_pidfd_open = 434;
    private const short POSIX_SPAWN_SETSIGDEF = 0x04;
    private const short POSIX_SPAWN_SETSIGMASK = 0x08;
    private const short POSIX_SPAWN_SETSCHEDULER = 0x20;
    private const short POSIX_SPAWN_SETSID = 0x80;
    private const int SCHED_OTHER = 0;
    private const int SCHED_RR = 2;
    private const int SCHED_RESET_ON_FORK = 0x40000000;

    private const short SpawnFlags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;

    private const int ControlHeadSize = 16; // struct cmsghdr
    private const int ControlSize = 64;

    /// <summary>Room for a posix_spawnattr_t, which takes 336 bytes.</summary>
    public const int SpawnAttributesSize = 512;

    /// <summary>Room for a posix_spawn_file_actions_t, which takes 80 bytes.</summary>
    public const int SpawnFileActionsSize = 128;

    private static readonly int O_DIRECTORY = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 0x10000 : 0x4000;

    // struct epoll_event is packed on x86-64, and there alone.
    private static readonly int EpollEventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;

    // ---- files and pipes

    /// <summary>Makes sure that 0, 1 and 2 are open, so that no pipe of ours is ever given one of those numbers.</summary>
    public static void OccupyStandardStreams()
    {
        int fd;
        fixed (byte* path = "/dev/null\0"u8)
        {
            while ((fd = open(path, O_RDWR, 0)) is >= 0 and <= 2)
            {
            }
        }

        if (fd > 2)
        {
            _ = close(fd);
        }
    }

    /// <summary>A pipe whose reading end does not block; both ends vanish in an exec (pipe(7)).</summary>
    public static int OpenPipe(out int readEnd, out int writeEnd)
    {
        var ends = stackalloc int[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
        {
            (readEnd, writeEnd) = (-1, -1);
            return -Marshal.GetLastPInvokeError();
        }

        (readEnd, writeEnd) = (ends[0], ends[1]);
        _ = fcntl(readEnd, F_SETFL, O_NONBLOCK);
        return 0;
    }

    /// <summary>How many bytes a read would get without blocking (FIONREAD).</summary>
    public static int CountReadable(int fd)
    {
        int count;
        return ioctl(fd, FIONREAD, &count) == 0 ? count : 0;
    }

    /// <summary>Reads once: the number of bytes, 0 at the end, or -errno.</summary>
    public static int Read(int fd, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            var count = read(fd, start, (nuint)buffer.Length);
            return count >= 0 ? (int)count : -Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>Reads a small file, at most what the buffer holds, with no allocation; its path ends with a zero byte.</summary>
    public static int ReadFile(ReadOnlySpan<byte> path, Span<byte> buffer)
    {
        int fd;
        fixed (byte* start = path)
        {
            fd = open(start, O_RDONLY | O_CLOEXEC, 0);
        }

        if (fd < 0)
        {
            return -Marshal.GetLastPInvokeError();
        }

        var total = 0;
        while (total < buffer.Length && Read(fd, buffer[total..]) is > 0 and var count)
        {
            total += count;
        }

        _ = close(fd);
        return total;
    }

    public static void Close(int fd) => _ = close(fd);

    /// <summary>Makes a file in memory, which goes with its last descriptor. See memfd_create(2).</summary>
    public static int OpenMemory(string name) => Checked(memfd_create(name, MFD_CLOEXEC));

    /// <summary>Leaves a folder to its owner alone.</summary>
    public static int CloseToOthers(string folder) => Checked(chmod(folder, 0x1C0)); // 0700

    /// <summary>
    /// Makes a folder that only its owner may enter (mode 0700), or returns -errno, also when there is something of that name.
    /// </summary>
    public static int MakeFolder(string path) => Checked(mkdir(path, 0x1C0));

    /// <summary>
    /// Lets everybody make files in a folder and reach their own by name, but neither list it nor remove those of others (mode 01733).
    /// </summary>
    public static int OpenToMakers(string folder) => Checked(chmod(folder, 0x3DB));

    /// <summary>Opens a file for reading without waiting for anything, or returns -errno.</summary>
    public static int OpenForReading(string path) => Checked(open(path, O_NONBLOCK | O_CLOEXEC, 0));

    /// <summary>A descriptor that stands for a folder, by which what is in it can be named shortly.</summary>
    public static int OpenFolder(string path) => Checked(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0));

    /// <summary>Opens a file that is there for reading and writing, or returns -errno.</summary>
    public static int OpenForUpdate(string path) => Checked(open(path, O_RDWR | O_CLOEXEC, 0));

    /// <summary>Opens a file for writing, or returns -errno. <paramref name="make"/> creates it (mode 0600) or empties it.</summary>
    public static int OpenForWriting(string path, bool make) =>
        Checked(open(path, O_WRONLY | O_CLOEXEC | (make ? O_CREAT | O_TRUNC : 0), 0x180)); // 0600

    /// <summary>Writes once; returns the number of bytes, or -errno.</summary>
    public static int Write(int fd, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            return Checked((int)write(fd, start, (nuint)bytes.Length));
        }
    }

    /// <summary>Duplicates a descriptor to a number of at least 64, above those that a program inherits.</summary>
    public static int DuplicateHigh(int fd) => Checked(fcntl(fd, F_DUPFD_CLOEXEC, 64));

    /// <summary>0 when a directory can be entered, else -errno (access(2), with X_OK).</summary>
    public static int CheckDirectory(string path) =>
        File.Exists(path) ? -ENOTDIR : Checked(access(path, X_OK));

    // ---- sockets

    /// <summary>
    /// Sends as much as the socket accepts without blocking, and the descriptors with the first byte (unix(7), SCM_RIGHTS). Returns the
    /// number of bytes, or -errno.
    /// </summary>
    public static int Send(int socket, ReadOnlySpan<byte> bytes, ReadOnlySpan<int> descriptors)
    {
        // struct msghdr: name and its length, the pieces and their number, control data and its length, flags.
        // struct cmsghdr: length, level, type.
        var control = stackalloc byte[ControlSize];
        fixed (byte* start = bytes)
        {
            var piece = stackalloc nint[] { (nint)start, bytes.Length };
            var message = stackalloc nint[] { 0, 0, (nint)piece, 1, 0, 0, 0 };
            if (descriptors.Length > 0)
            {
                *(long*)control = ControlHeadSize + (descriptors.Length * sizeof(int));
                (((int*)control)[2], ((int*)control)[3]) = (SOL_SOCKET, SCM_RIGHTS);
                descriptors.CopyTo(new Span<int>(control + ControlHeadSize, descriptors.Length));
                (message[4], message[5]) = ((nint)control, ControlHeadSize + ((((descriptors.Length * sizeof(int)) + 7) / 8) * 8));
            }

            return Checked((int)sendmsg(socket, message, MSG_DONTWAIT | MSG_NOSIGNAL));
        }
    }

    /// <summary>
    /// Receives once, and appends the received descriptors to a queue. Returns the number of bytes, 0 at the end of the stream, or -errno.
    /// </summary>
    public static int Receive(int socket, Span<byte> buffer, Queue<int> descriptors)
    {
        var control = stackalloc byte[ControlSize];
        fixed (byte* start = buffer)
        {
            var piece = stackalloc nint[] { (nint)start, buffer.Length };
            var message = stackalloc nint[] { 0, 0, (nint)piece, 1, (nint)control, ControlSize, 0 };
            var count = Checked((int)recvmsg(socket, message, MSG_CMSG_CLOEXEC));
            if ((message[6] & MSG_CTRUNC) != 0)
            {
                return -EMFILE; // Some descriptors are lost, and it is unknown which ones.
            }

            if (count > 0 && message[5] >= ControlHeadSize && ((int*)control)[2] == SOL_SOCKET && ((int*)control)[3] == SCM_RIGHTS)
            {
                foreach (var fd in new Span<int>(control + ControlHeadSize, (int)(*(long*)control - ControlHeadSize) / sizeof(int)))
                {
                    descriptors.Enqueue(fd);
                }
            }

            return count;
        }
    }

    // ---- waiting

    public static int OpenEpoll() => Checked(epoll_create1(O_CLOEXEC));

    /// <summary>Watches a descriptor for reading; its events carry the key (epoll(7), level-triggered).</summary>
    public static int Watch(int epoll, int fd, ulong key)
    {
        var entry = stackalloc byte[16];
        *(int*)entry = EPOLLIN;
        *(ulong*)(entry + EpollEventSize - sizeof(ulong)) = key;
        return Checked(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, entry));
    }

    public static void Unwatch(int epoll, int fd)
    {
        var entry = stackalloc byte[16];
        _ = epoll_ctl(epoll, EPOLL_CTL_DEL, fd, entry);
    }

    /// <summary>Waits for events, at most the given milliseconds (-1: for ever), and writes their keys.</summary>
    public static int Wait(int epoll, Span<ulong> keys, int timeoutMs)
    {
        var events = stackalloc byte[16 * keys.Length];
        var count = epoll_wait(epoll, events, keys.Length, timeoutMs);
        if (count < 0)
        {
            return -Marshal.GetLastPInvokeError();
        }

        for (var i = 0; i < count; i++)
        {
            keys[i] = *(ulong*)(events + ((i + 1) * EpollEventSize) - sizeof(ulong));
        }

        return count;
    }

    /// <summary>A bell to wake an epoll loop from another thread (eventfd(2)).</summary>
    public static int OpenBell() => Checked(eventfd(0, O_CLOEXEC | O_NONBLOCK));

    public static void RingBell(int bell)
    {
        ulong one = 1;
        _ = write(bell, (byte*)&one, sizeof(ulong));
    }

    public static void SilenceBell(int bell)
    {
        ulong rings;
        _ = read(bell, (byte*)&rings, sizeof(ulong));
    }

    /// <summary>A timer on the wall clock (timerfd_create(2)).</summary>
    public static int OpenClockTimer() => Checked(timerfd_create(CLOCK_REALTIME, O_CLOEXEC));

    /// <summary>
    /// Sets a clock timer to a moment of the wall clock, in Unix nanoseconds above 0. -ECANCELED: it is set, and the clock was stepped.
    /// </summary>
    public static int SetClockTimer(int timer, long unixNs)
    {
        // struct itimerspec: interval (0: once), then value; each seconds and nanoseconds.
        var spec = stackalloc long[4] { 0, 0, unixNs / 1_000_000_000, unixNs % 1_000_000_000 };
        return Checked(timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, spec, null));
    }

    /// <summary>Waits until a clock timer rings: 8, or -ECANCELED when the clock was stepped meanwhile, or -EINTR.</summary>
    public static int AwaitClockTimer(int timer)
    {
        ulong rings;
        return Checked((int)read(timer, (byte*)&rings, sizeof(ulong)));
    }

    /// <summary>Asks the kernel to wake this thread as exactly as it can: by default it may be 50 µs late (PR_SET_TIMERSLACK).</summary>
    public static void WakeThisThreadExactly() => _ = prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);

    // ---- processes

    /// <summary>Makes orphaned descendants our children instead of init's (PR_SET_CHILD_SUBREAPER).</summary>
    public static int AdoptOrphans() => Checked(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));

    /// <summary>The effective user of this process.</summary>
    public static uint OwnUid() => geteuid();

    /// <summary>Fills in what every command is spawned with: a session of its own, every signal at its default, none blocked.</summary>
    public static void InitSpawnAttributes(byte* attributes)
    {
        var signals = stackalloc byte[128];
        _ = posix_spawnattr_init(attributes);
        _ = posix_spawnattr_setflags(attributes, SpawnFlags);
        _ = sigemptyset(signals);
        _ = posix_spawnattr_setsigmask(attributes, signals);
        _ = sigfillset(signals);
        _ = posix_spawnattr_setsigdefault(attributes, signals);
    }

    /// <summary>Makes a new process a real-time one (sched(7)); false where glibc is laid out otherwise.</summary>
    /// <param name="handedOn">So are all threads and processes that it starts, until it says otherwise; or else none.</param>
    public static bool TryAddHurry(byte* attributes, bool handedOn)
    {
        // glibc refuses the flag of the policy, so it is added where glibc keeps the policy: behind two ints and two signal sets of
        // 128 bytes, and the priority. Its layout is part of its ABI.
        var policy = (int*)(attributes + 268);
        var priority = 1;
        _ = posix_spawnattr_setschedparam(attributes, &priority);
        if (posix_spawnattr_setschedpolicy(attributes, SCHED_RR) != 0 || *policy != SCHED_RR)
        {
            return false;
        }

        *policy |= handedOn ? 0 : SCHED_RESET_ON_FORK;
        return posix_spawnattr_setflags(attributes, SpawnFlags | POSIX_SPAWN_SETSCHEDULER) == 0;
    }

    /// <summary>
    /// Makes this thread, and what it starts, real-time until <see cref="EndHurry"/>; false if it must not, or has some policy already.
    /// </summary>
    public static bool TryHurry(out int formerPolicy)
    {
        formerPolicy = sched_getscheduler(0);
        return formerPolicy == SCHED_RR || (formerPolicy is SCHED_OTHER or (SCHED_RR | SCHED_RESET_ON_FORK) && SetPolicy(0, SCHED_RR));
    }

    /// <summary>Makes a new process (if above 0) an ordinary one, and this thread what it was.</summary>
    public static void EndHurry(int pid, int formerPolicy)
    {
        // Only the privileged may clear the flag; left set, it does an ordinary process next to nothing.
        _ = pid <= 0 || SetPolicy(pid, SCHED_OTHER) || SetPolicy(pid, SCHED_OTHER | SCHED_RESET_ON_FORK);
        _ = formerPolicy == SCHED_RR || SetPolicy(0, formerPolicy);
    }

    /// <summary>Makes this thread, but none that it starts, run before all ordinary ones (SCHED_RR); false if it must not.</summary>
    public static bool TryRunFirst() => SetPolicy(0, SCHED_RR | SCHED_RESET_ON_FORK);

    /// <summary>Makes all threads of this process ordinary but its first, which is the caller.</summary>
    public static void EndHurryOfOthers()
    {
        foreach (var folder in Directory.GetDirectories("/proc/self/task"))
        {
            var thread = int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture);
            _ = thread == Environment.ProcessId || SetPolicy(thread, SCHED_OTHER);
        }
    }

    /// <summary>
    /// No process that is started from now on may become a real-time one; threads that are, stay so. See getrlimit(2), RLIMIT_RTPRIO.
    /// </summary>
    public static void GiveUpHurry()
    {
        var none = stackalloc ulong[] { 0, 0 };
        _ = setrlimit(RLIMIT_RTPRIO, none);
    }

    /// <summary>
    /// Fills in the program's descriptors and its directory. It gets an empty input, one pipe for both outputs, and from 3 on the
    /// descriptors that are handed over. All others are closed, also those without close-on-exec.
    /// </summary>
    public static int InitSpawnFileActions(byte* actions, int output, byte* directory, params ReadOnlySpan<int> handedOver)
    {
        var error = posix_spawn_file_actions_init(actions);
        fixed (byte* path = "/dev/null\0"u8)
        {
            error = error != 0 ? error : posix_spawn_file_actions_addopen(actions, 0, path, O_RDONLY, 0);
        }

        error = error != 0 ? error : posix_spawn_file_actions_adddup2(actions, output, 1);
        error = error != 0 ? error : posix_spawn_file_actions_adddup2(actions, output, 2);
        for (var i = 0; i < handedOver.Length; i++)
        {
            error = error != 0 ? error : posix_spawn_file_actions_adddup2(actions, handedOver[i], 3 + i);
        }

        error = error != 0 ? error : posix_spawn_file_actions_addclosefrom_np(actions, 3 + handedOver.Length);
        error = error != 0 || directory is null ? error : posix_spawn_file_actions_addchdir_np(actions, directory);
        return -error;
    }

    public static void DestroySpawnFileActions(byte* actions) => _ = posix_spawn_file_actions_destroy(actions);

    public static void DestroySpawnAttributes(byte* attributes) => _ = posix_spawnattr_destroy(attributes);

    /// <summary>Lets what this thread starts next change users, if we may ourselves (capabilities(7), ambient set).</summary>
    public static void GrantUserSwitch()
    {
        _ = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0);
        _ = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETGID, 0, 0);
    }

    /// <summary>Whatever this process was given to hand on, what this thread starts next gets none of it.</summary>
    public static void GrantNothing() => _ = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);

    /// <summary>Starts a program: its pid once it has been executed, or -errno of whatever step failed (posix_spawn(3)).</summary>
    public static int Spawn(byte* path, byte* actions, byte* attributes, byte** arguments, byte** environment)
    {
        int pid;
        var error = posix_spawn(&pid, path, actions, attributes, arguments, environment);
        return error == 0 ? pid : -error;
    }

    /// <summary>A descriptor that stands for one process and no later one of the same number, readable once it has ended.</summary>
    public static int OpenPidFd(int pid) => Checked((int)syscall(SYS_pidfd_open, pid, 0, 0, 0));

    /// <summary>Signals a whole process group, as the shell's <c>kill -TERM -pgid</c> does.</summary>
    public static int SendSignalToGroup(int group, int signal) => Checked(kill(-group, signal));

    public static int SessionOf(int pid) => getsid(pid);

    /// <summary>The pid of a child that has ended and waits to be reaped, 0 if there is none, -ECHILD if we have no children.</summary>
    public static int FindEnded() => PeekEnded(P_ALL, 0);

    /// <summary>Whether a child of ours has ended (it stays unreaped).</summary>
    public static bool HasEnded(int pid) => PeekEnded(P_PID, pid) == pid;

    /// <summary>Reaps a child that has ended (wait4(2)): its status and what it used, or null when it has not.</summary>
    public static Reaped? Reap(int pid)
    {
        int status;
        var usage = stackalloc long[18];
        return wait4(pid, &status, WNOHANG, usage) == pid ? new Reaped(status, MillisecondsOf(usage), usage[4]) : null;
    }

    /// <summary>A user of this host, by whatever it asks for users (getpwnam_r(3)); null = there is none of that name.</summary>
    public static (uint Uid, uint Gid, string Home)? FindUser(string name)
    {
        // struct passwd: name, password; uid, gid; comment, home, shell.
        const int textMax = 16 << 10;
        var entry = stackalloc byte*[8];
        var text = stackalloc byte[textMax];
        byte** found;
        return getpwnam_r(name, entry, text, textMax, &found) == 0 && found is not null
            ? (((uint*)entry)[4], ((uint*)entry)[5], Marshal.PtrToStringUTF8((nint)entry[4]) ?? "")
            : null;
    }

    /// <summary>The name of a user of this host (getpwuid_r(3)); null = there is none of that number.</summary>
    public static string? FindUserName(uint uid)
    {
        const int textMax = 16 << 10;
        var entry = stackalloc byte*[8];
        var text = stackalloc byte[textMax];
        byte** found;
        return getpwuid_r(uid, entry, text, textMax, &found) == 0 && found is not null ? Marshal.PtrToStringUTF8((nint)entry[0]) : null;
    }

    /// <summary>The most memory this process ever had, in KiB.</summary>
    public static long OwnMaxRssKb()
    {
        var usage = stackalloc long[18];
        return getrusage(RUSAGE_SELF, usage) == 0 ? usage[4] : 0;
    }

    /// <summary>What wait4 tells of a child: the wait status, processor time (user and system), the largest resident set.</summary>
    public readonly record struct Reaped(int Status, long CpuMs, long MaxRssKb)
    {
        public int? ExitCode => (Status & 0x7f) == 0 ? (Status >> 8) & 0xff : null;

        public int? Signal => (Status & 0x7f) == 0 ? null : Status & 0x7f;
    }

    // struct rusage begins with two timevals, user and system.
    private static long MillisecondsOf(long* usage) => ((usage[0] + usage[2]) * 1000) + ((usage[1] + usage[3]) / 1000);

    private static int PeekEnded(int kind, int pid)
    {
        // siginfo_t: si_signo, si_errno, si_code, then, aligned to eight bytes, si_pid.
        var info = stackalloc int[32];
        info[4] = 0;
        return waitid(kind, pid, info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info[4] : -Marshal.GetLastPInvokeError();
    }

    private static bool SetPolicy(int pid, int policy)
    {
        var priority = (policy & ~SCHED_RESET_ON_FORK) == SCHED_RR ? 1 : 0;
        return sched_setscheduler(pid, policy, &priority) == 0;
    }

    private static int Checked(int result) => result >= 0 ? result : -Marshal.GetLastPInvokeError();

    [LibraryImport("libc", SetLastError = true)] private static partial int open(byte* path, int flags, int mode);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, int mode);
    [LibraryImport("libc", SetLastError = true)] private static partial int close(int fd);
    [LibraryImport("libc", SetLastError = true)] private static partial nint read(int fd, byte* buffer, nuint count);
    [LibraryImport("libc", SetLastError = true)] private static partial nint write(int fd, byte* buffer, nuint count);
    [LibraryImport("libc", SetLastError = true)] private static partial int pipe2(int* ends, int flags);
    [LibraryImport("libc", SetLastError = true)] private static partial int fcntl(int fd, int command, int argument);
    [LibraryImport("libc", SetLastError = true)] private static partial int ioctl(int fd, nuint request, int* argument);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chmod(string path, uint mode);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkdir(string path, uint mode);
    [LibraryImport("libc", SetLastError = true)] private static partial nint sendmsg(int socket, nint* message, int flags);
    [LibraryImport("libc", SetLastError = true)] private static partial nint recvmsg(int socket, nint* message, int flags);
    [LibraryImport("libc")] private static partial uint umask(uint mask);
    [LibraryImport("libc")] private static partial int mallopt(int parameter, int value);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);
    [LibraryImport("libc")] private static partial uint geteuid();
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int getpwnam_r(string name, byte** entry, byte* text, nuint textMax, byte*** found);
    [LibraryImport("libc")] private static partial int getpwuid_r(uint uid, byte** entry, byte* text, nuint textMax, byte*** found);
    [LibraryImport("libc", SetLastError = true)] private static partial int eventfd(uint count, int flags);
    [LibraryImport("libc", SetLastError = true)] private static partial int epoll_create1(int flags);
    [LibraryImport("libc", SetLastError = true)] private static partial int epoll_ctl(int epoll, int operation, int fd, byte* entry);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(int epoll, byte* events, int eventsMax, int timeoutMs);
    [LibraryImport("libc", SetLastError = true)] private static partial int timerfd_create(int clock, int flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int timerfd_settime(int timer, int flags, long* value, long* former);
    [LibraryImport("libc", SetLastError = true)] private static partial int prctl(int option, nuint a, nuint b, nuint c, nuint d);
    [LibraryImport("libc", SetLastError = true)] private static partial int kill(int pid, int signal);
    [LibraryImport("libc", SetLastError = true)] private static partial int getsid(int pid);
    [LibraryImport("libc", SetLastError = true)] private static partial int waitid(int kind, int pid, int* info, int options);
    [LibraryImport("libc", SetLastError = true)] private static partial int wait4(int pid, int* status, int options, long* usage);
    [LibraryImport("libc", SetLastError = true)] private static partial int setrlimit(int resource, ulong* limits);
    [LibraryImport("libc", SetLastError = true)] private static partial int getrusage(int who, long* usage);
    [LibraryImport("libc", SetLastError = true)] private static partial nint syscall(nint number, nint a, nint b, nint c, nint d);
    [LibraryImport("libc", SetLastError = true)] private static partial int sched_getscheduler(int pid);
    [LibraryImport("libc", SetLastError = true)] private static partial int sched_setscheduler(int pid, int policy, int* priority);
    [LibraryImport("libc")] private static partial int posix_spawnattr_setschedpolicy(byte* attributes, int policy);
    [LibraryImport("libc")] private static partial int posix_spawnattr_setschedparam(byte* attributes, int* priority);
    [LibraryImport("libc")] private static partial int sigemptyset(byte* signals);
    [LibraryImport("libc")] private static partial int sigfillset(byte* signals);
    [LibraryImport("libc")]
    private static partial int posix_spawn(int* pid, byte* path, byte* actions, byte* attributes, byte** arguments, byte** environment);
    [LibraryImport("libc")] private static partial int posix_spawnattr_init(byte* attributes);
    [LibraryImport("libc")] private static partial int posix_spawnattr_destroy(byte* attributes);
    [LibraryImport("libc")] private static partial int posix_spawnattr_setflags(byte* attributes, short flags);
    [LibraryImport("libc")] private static partial int posix_spawnattr_setsigmask(byte* attributes, byte* signals);
    [LibraryImport("libc")] private static partial int posix_spawnattr_setsigdefault(byte* attributes, byte* signals);
    [LibraryImport("libc")] private static partial int posix_spawn_file_actions_init(byte* actions);
    [LibraryImport("libc")] private static partial int posix_spawn_file_actions_destroy(byte* actions);
    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_addopen(byte* actions, int fd, byte* path, int flags, int mode);
    [LibraryImport("libc")] private static partial int posix_spawn_file_actions_adddup2(byte* actions, int fd, int newFd);
    [LibraryImport("libc")] private static partial int posix_spawn_file_actions_addclosefrom_np(byte* actions, int firstFd);
    [LibraryImport("libc")] private static partial int posix_spawn_file_actions_addchdir_np(byte* actions, byte* path);
}
