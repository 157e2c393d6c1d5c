using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>A timer on the wall clock that also tells when the clock is stepped (timerfd_create(2)).</summary>
internal static unsafe partial class ClockTimer
{
    private const int CLOCK_REALTIME = 0;
    private const int TFD_TIMER_ABSTIME = 1;
    private const int TFD_TIMER_CANCEL_ON_SET = 2;
    private const int O_CLOEXEC = 0x80000;
    private const int PR_SET_TIMERSLACK = 29;

    public static int Open() => Errno.Checked(timerfd_create(CLOCK_REALTIME, O_CLOEXEC));

    /// <summary>Sets a timer to a time of the wall clock, in Unix nanoseconds above 0. -ECANCELED: set; the clock was stepped.</summary>
    public static int Set(int timer, long unixNs)
    {
        // struct itimerspec: interval (0: once), then value; each seconds and nanoseconds.
        var spec = stackalloc long[4] { 0, 0, unixNs / 1_000_000_000, unixNs % 1_000_000_000 };
        return Errno.Checked(timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, spec, null));
    }

    /// <summary>Waits until a timer expires: 8, -ECANCELED if the clock was stepped meanwhile, or -EINTR.</summary>
    public static int Await(int timer)
    {
        ulong expirations;
        return Errno.Checked((int)read(timer, (byte*)&expirations, sizeof(ulong)));
    }

    /// <summary>Asks the kernel to wake this thread as precisely as it can. By default it may be 50 µs late (PR_SET_TIMERSLACK).</summary>
    public static void WakeThisThreadExactly() => _ = prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);

    [LibraryImport("libc", SetLastError = true)] private static partial nint read(int fd, byte* buffer, nuint count);
    [LibraryImport("libc", SetLastError = true)] private static partial int timerfd_create(int clock, int flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int timerfd_settime(int timer, int flags, long* value, long* former);
    [LibraryImport("libc", SetLastError = true)] private static partial int prctl(int option, nuint a, nuint b, nuint c, nuint d);
}
