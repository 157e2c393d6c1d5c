using System.Runtime.InteropServices;

namespace Dts.Common.Hosting;

/// <summary>
/// The system's time, with timestamps that also count while the machine is suspended (clock_gettime(2), CLOCK_BOOTTIME). By the usual
/// monotonic clock a lease would seem to hold on after the machine has slept.
/// </summary>
public sealed partial class BootTime : TimeProvider
{
    private const int CLOCK_BOOTTIME = 7;
    private const long Second = 1_000_000_000;

    public static readonly BootTime Instance = new();

    public override long TimestampFrequency => Second;

    public override long GetTimestamp()
    {
        _ = clock_gettime(CLOCK_BOOTTIME, out var now);
        return (now.Seconds * Second) + now.Nanoseconds;
    }

    [LibraryImport("libc")] private static partial int clock_gettime(int clock, out Moment time);

    private struct Moment // struct timespec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
