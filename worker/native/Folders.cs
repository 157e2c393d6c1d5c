using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>Folders, with modes that take effect when the folder is made. Methods return -errno on failure.</summary>
internal static partial class Folders
{
    private const int O_CLOEXEC = 0x80000;
    private const int O_PATH = 0x200000;
    private const int X_OK = 1;
    private const uint OwnerOnly = 0x1C0; // 0700
    private const uint OthersMakeAndReach = 0x3DB; // 01733

    private static readonly int O_DIRECTORY = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 0x10000 : 0x4000;

    /// <summary>Makes a folder that only its owner may enter (mode 0700); fails if anything has that name already.</summary>
    public static int Make(string path) => Errno.Checked(mkdir(path, OwnerOnly));

    /// <summary>Closes a folder to all but its owner (mode 0700).</summary>
    public static int CloseToOthers(string path) => Errno.Checked(chmod(path, OwnerOnly));

    /// <summary>
    /// Lets everybody make files in a folder and reach their own by name, but neither list it nor remove those of others (mode 01733).
    /// </summary>
    public static int OpenToMakers(string path) => Errno.Checked(chmod(path, OthersMakeAndReach));

    /// <summary>0 if this process may enter a folder (access(2)).</summary>
    public static int Check(string path) => File.Exists(path) ? -Errno.ENOTDIR : Errno.Checked(access(path, X_OK));

    /// <summary>Opens a folder, so that a short path (/proc/self/fd/N/name) leads to its files.</summary>
    public static int Open(string path) => Errno.Checked(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0));

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, int mode);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chmod(string path, uint mode);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkdir(string path, uint mode);
}
