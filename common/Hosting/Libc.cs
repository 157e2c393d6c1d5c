using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Dts.Common.Hosting;

/// <summary>The calls into libc that both services make; those that only a worker makes are in worker/native.</summary>
[SuppressMessage("Interoperability", "CA1401", Justification = "No import here is public.")]
public static unsafe partial class Libc
{
    private const int AT_FDCWD = -100;
    private const int AT_SYMLINK_NOFOLLOW = 0x100;
    private const uint STATX_UID = 0x8;
    private const uint STATX_INO = 0x100;
    private const int X_OK = 1;
    private const int W_OK = 2;
    private const int PR_SET_DUMPABLE = 4;
    private const int M_MMAP_THRESHOLD = -3;
    private const int M_ARENA_MAX = -8;

    /// <summary>The text of an error number, such as "No such file or directory".</summary>
    public static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    /// <summary>0 = a file, or files in a directory, can be written; else -errno (access(2)).</summary>
    public static int CheckWritable(string path) => Checked(access(path, Directory.Exists(path) ? W_OK | X_OK : W_OK));

    /// <summary>
    /// Hides this process's memory, environment and descriptors from other processes of its user (PR_SET_DUMPABLE); root can still read
    /// them.
    /// </summary>
    public static void HideFromOthers() => _ = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);

    /// <summary>Sets the permissions that new files never get (umask(2)).</summary>
    public static void SetFileModeMask(int mask) => _ = umask((uint)mask);

    /// <summary>
    /// Makes all threads allocate native memory in one arena, and returns large blocks to the kernel when they are freed (mallopt(3)).
    /// By default threads spread over eight arenas per processor, and each arena keeps freed memory.
    /// </summary>
    public static void BoundNativeMemory()
    {
        _ = mallopt(M_ARENA_MAX, 1);
        _ = mallopt(M_MMAP_THRESHOLD, 128 << 10);
    }

    /// <summary>
    /// Identifies the file at a path: all names of a file share one identity, and a file that replaces it has another. Zeroes = there is no
    /// file. See statx(2).
    /// </summary>
    public static (long Device, long Inode) FileIdentity(string path)
    {
        var status = stackalloc long[32];
        return statx(AT_FDCWD, path, 0, STATX_INO, status) == 0 ? (status[17], status[4]) : default;
    }

    /// <summary>The owner of a file, a folder or a link; null = there is none.</summary>
    public static uint? OwnerOf(string path)
    {
        var status = stackalloc long[32];
        return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_UID, status) == 0 ? ((uint*)status)[5] : null;
    }

    private static int Checked(int result) => result >= 0 ? result : -Marshal.GetLastPInvokeError();

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, long* status);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);
    [LibraryImport("libc")] private static partial uint umask(uint mask);
    [LibraryImport("libc")] private static partial int mallopt(int parameter, int value);
    [LibraryImport("libc", SetLastError = true)] private static partial int prctl(int option, nuint a, nuint b, nuint c, nuint d);
}
