using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>
/// The system's time, with timestamps that also count while the machine is suspended (clock_gettime(2), CLOCK_BOOTTIME). By the usual
/// monotonic clock a lease would seem to hold on after the machine has slept.
/// </summary>
internal sealed unsafe partial class BootTime : TimeProvider
{
    private const int CLOCK_BOOTTIME = 7;
    private const long Second = 1_000_000_000;

    public static readonly BootTime Instance = new();

    public override long TimestampFrequency => Second;

    public override long GetTimestamp()
    {
        var now = stackalloc long[2]; // struct timespec: seconds and nanoseconds
        _ = clock_gettime(CLOCK_BOOTTIME, now);
        return (now[0] * Second) + now[1];
    }

    [LibraryImport("libc")] private static partial int clock_gettime(int clock, long* time);
}
