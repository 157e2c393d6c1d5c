using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>Starts programs (posix_spawn(3)).</summary>
/// <remarks>Sizes and layouts are those of glibc on x86-64 and arm64.</remarks>
internal static unsafe partial class PosixSpawn
{
    /// <summary>Room for a posix_spawnattr_t, which takes 336 bytes.</summary>
    public const int AttributesSize = 512;

    /// <summary>Room for a posix_spawn_file_actions_t, which takes 80 bytes.</summary>
    public const int FileActionsSize = 128;

    private const short POSIX_SPAWN_SETSIGDEF = 0x04;
    private const short POSIX_SPAWN_SETSIGMASK = 0x08;
    private const short POSIX_SPAWN_SETSCHEDULER = 0x20;
    private const short POSIX_SPAWN_SETSID = 0x80;
    private const int O_RDONLY = 0;

    private const short Flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    private const int PolicyOffset = 268; // In posix_spawnattr_t: two ints, two signal sets of 128 bytes, the priority.

    /// <summary>Sets the attributes of every command: a session of its own, all signals at their defaults, none blocked.</summary>
    public static void InitAttributes(byte* attributes)
    {
        var signals = stackalloc byte[128];
        _ = posix_spawnattr_init(attributes);
        _ = posix_spawnattr_setflags(attributes, Flags);
        _ = sigemptyset(signals);
        _ = posix_spawnattr_setsigmask(attributes, signals);
        _ = sigfillset(signals);
        _ = posix_spawnattr_setsigdefault(attributes, signals);
    }

    /// <summary>Makes the new process a real-time one (<see cref="RealTime"/>); false where glibc has another layout.</summary>
    /// <param name="inherited">All threads and processes that it starts are real-time, too, until it says otherwise; else none is.</param>
    public static bool TryAddRealTime(byte* attributes, bool inherited)
    {
        // glibc refuses the flag of the policy, so it is added where glibc stores the policy. That place is part of glibc's ABI.
        var policy = (int*)(attributes + PolicyOffset);
        var priority = 1;
        _ = posix_spawnattr_setschedparam(attributes, &priority);
        if (posix_spawnattr_setschedpolicy(attributes, RealTime.SCHED_RR) != 0 || *policy != RealTime.SCHED_RR)
        {
            return false;
        }

        *policy |= inherited ? 0 : RealTime.SCHED_RESET_ON_FORK;
        return posix_spawnattr_setflags(attributes, Flags | POSIX_SPAWN_SETSCHEDULER) == 0;
    }

    public static void DestroyAttributes(byte* attributes) => _ = posix_spawnattr_destroy(attributes);

    /// <summary>
    /// Sets the program's descriptors and directory: an empty input, one pipe for both outputs, and the passed descriptors from 3 on.
    /// All others are closed, even those without close-on-exec.
    /// </summary>
    public static int InitFileActions(byte* actions, int output, byte* directory, params ReadOnlySpan<int> passed)
    {
        var error = posix_spawn_file_actions_init(actions);
        fixed (byte* path = "/dev/null\0"u8)
        {
            error = error != 0 ? error : posix_spawn_file_actions_addopen(actions, 0, path, O_RDONLY, 0);
        }

        error = error != 0 ? error : posix_spawn_file_actions_adddup2(actions, output, 1);
        error = error != 0 ? error : posix_spawn_file_actions_adddup2(actions, output, 2);
        for (var i = 0; i < passed.Length; i++)
        {
            error = error != 0 ? error : posix_spawn_file_actions_adddup2(actions, passed[i], 3 + i);
        }

        error = error != 0 ? error : posix_spawn_file_actions_addclosefrom_np(actions, 3 + passed.Length);
        error = error != 0 || directory is null ? error : posix_spawn_file_actions_addchdir_np(actions, directory);
        return -error;
    }

    public static void DestroyFileActions(byte* actions) => _ = posix_spawn_file_actions_destroy(actions);

    /// <summary>Starts a program. Returns its pid once it has been executed, or -errno of the step that failed.</summary>
    public static int Spawn(byte* path, byte* actions, byte* attributes, byte** arguments, byte** environment)
    {
        int pid;
        var error = posix_spawn(&pid, path, actions, attributes, arguments, environment);
        return error == 0 ? pid : -error;
    }

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
