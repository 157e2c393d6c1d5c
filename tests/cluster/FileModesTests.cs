using System.Runtime.Versioning;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

[SupportedOSPlatform("linux")]
public sealed class FileModesTests
{
    private const string Never = "0 0 0 1 1 * 2099";
    private const UnixFileMode Others = (UnixFileMode)0b000_111_111;
    private const UnixFileMode ReadByAll = (UnixFileMode)0b110_100_100;
    private const UnixFileMode EnteredByAll = (UnixFileMode)0b111_101_101;

    [Fact]
    public async Task Master_and_worker_close_new_and_old_files_to_other_users_and_commands_get_umask_0022()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        var left = Directory.CreateDirectory(Path.Combine(cluster.Folder, "w1", "spool")).FullName;
        var (segment, log) = (Path.Combine(left, "00000000000000000001.spool"), Path.Combine(cluster.Folder, "log.db"));
        File.WriteAllText(segment, "");
        File.SetUnixFileMode(left, EnteredByAll);
        File.SetUnixFileMode(segment, ReadByAll);
        using (new FileStream(log, FileMode.OpenOrCreate))
        {
        }

        File.SetUnixFileMode(log, ReadByAll);
        await cluster.StartWorkerBehindAsync(["sh", "-c", "umask 077; exec \"$0\" \"$@\""], "dts-worker", "w1");
        await cluster.StartWorkerAsync("w2");

        foreach (var worker in new[] { "w1", "w2" })
        {
            await cluster.SaveAsync(
                worker,
                "umask; head -c 100000 /dev/zero | tr '\\0' x; sleep 300",
                Never,
                new { target = new { workers = new[] { worker } } });
            await cluster.CallAsync($"/api/v1/jobs/{worker}/run");
            await Patience.Until(() => Directory.GetFiles(OutputOf(worker)).Any(file => new FileInfo(file).Length > 0), cluster.Describe);
            Assert.Equal("0022", await UmaskAsync(worker));
        }

        var written = new[] { "w1", "w2" }.SelectMany(
            worker => Directory.EnumerateFileSystemEntries(Path.Combine(cluster.Folder, worker), "*", SearchOption.AllDirectories));
        foreach (var entry in written.Append(Path.Combine(cluster.Folder, "w2"))
            .Append(log)
            .Append(log + "-wal")
            .Append(log + "-shm")
            .Where(Path.Exists))
        {
            Assert.True((File.GetUnixFileMode(entry) & Others) == 0, $"{entry}: {File.GetUnixFileMode(entry)}");
        }

        string OutputOf(string worker) => Path.Combine(cluster.Folder, worker, "output");

        async Task<string> UmaskAsync(string job)
        {
            await cluster.CallAsync($"/api/v1/jobs/{job}/kill");
            return Assert.Single(await cluster.RecordsSoon(job, records => records.Count == 1)).Output[..4];
        }
    }
}
