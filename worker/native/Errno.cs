using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>The kernel's error numbers that the worker tells apart (errno(3)).</summary>
internal static class Errno
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int ESRCH = 3;
    public const int EINTR = 4;
    public const int EBADF = 9;
    public const int ECHILD = 10;
    public const int EAGAIN = 11;
    public const int ENOTDIR = 20;
    public const int EMFILE = 24;
    public const int ECANCELED = 125;

    /// <summary>The result of a call, or -errno if it failed.</summary>
    internal static int Checked(int result) => result >= 0 ? result : -Marshal.GetLastPInvokeError();
}
