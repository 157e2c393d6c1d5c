using Dts.Common.Hosting;
using Dts.Tests.Support;
using Dts.Worker;
using Dts.Worker.Records;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Unit.Hosting;

public sealed class StartFailureTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_full_disk_is_not_a_wrong_setting()
    {
        await using var disk = await SmallDisk.MountAsync(_scratch.File("small"), kilobytes: 64);
        disk.Fill();

        var failure = Assert.Throws<StartException>(() => DataFolder.Guard(disk.Path, () =>
        {
            File.WriteAllText(Path.Combine(disk.Path, "file"), "text");
            return 1;
        }));

        Assert.StartsWith($"\"{disk.Path}\" cannot be used now (No space left on device", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(5)]   // EIO
    [InlineData(28)]  // ENOSPC
    [InlineData(30)]  // EROFS
    [InlineData(122)] // EDQUOT
    public async Task A_failing_disk_exits_with_1_so_that_systemd_tries_again(int errno)
    {
        var exitCode = await Service.RunAsync(
            () => DataFolder.Guard<Task<int>>("/data", () => throw new IOException("as the kernel says", errno)));

        Assert.Equal(1, exitCode);
    }

    [Fact]
    public async Task Running_a_service_does_not_change_the_umask()
    {
        var before = UmaskOf();

        Assert.Equal(0, await Service.RunAsync(() => Task.FromResult(0)));

        Assert.Equal(before, UmaskOf());

        static string UmaskOf() => File.ReadLines("/proc/self/status").First(line => line.StartsWith("Umask:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_impossible_folder_and_one_held_by_another_worker_are_wrong_settings()
    {
        File.WriteAllText(_scratch.File("file"), "");
        using var held = DataFolder.Open(_scratch.File("held"));

        foreach (var path in new[] { _scratch.File("file"), _scratch.File("file/below"), "/proc/none", _scratch.File("held") })
        {
            var wrong = Assert.Throws<SettingsException>(() => DataFolder.Open(path));
            Assert.StartsWith($"setting dataFolder: \"{path}\" cannot be used", wrong.Message, StringComparison.Ordinal);
            Assert.Equal(78, await Service.RunAsync(() => Task.FromResult(DataFolder.Open(path) is null ? 0 : 0)));
        }

        Assert.Throws<SettingsException>(() => Spool.Open(_scratch.File("file/spool"), 1 << 20, NullLogger.Instance));
    }
}
