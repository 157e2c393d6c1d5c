using System.Globalization;
using Dts.Common.Hosting;
using Xunit;

namespace Dts.Tests.Unit.Hosting;

public sealed class BootTimeTests
{
    [Fact]
    public void It_is_the_time_since_boot_with_the_time_of_sleep()
    {
        var uptime = double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture);

        var seconds = BootTime.Instance.GetTimestamp() / (double)BootTime.Instance.TimestampFrequency;

        Assert.InRange(seconds - uptime, 0, 30);
        Assert.True(BootTime.Instance.GetElapsedTime(BootTime.Instance.GetTimestamp()) < TimeSpan.FromSeconds(30));
    }
}
