using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>Workers in a cgroup of their own, as a unit with Delegate=yes gives it to them.</summary>
public sealed class CgroupTests : IDisposable
{
    private const string Never = "0 0 0 1 1 * 2099";

    private readonly CgroupFolder _cgroup = new();

    public void Dispose() => _cgroup.Dispose();

    [Fact]
    public async Task Each_run_has_a_cgroup_if_asked_for_which_goes_with_the_run()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        var worker = await StartWorkerAsync(cluster, "--cgroupPerRun", "true");
        await cluster.SaveAsync("where", "grep ^0:: /proc/self/cgroup", Never);

        await cluster.CallAsync("/api/v1/jobs/where/run");
        var record = Assert.Single(await cluster.RecordsSoon("where", records => records.Count == 1));

        Assert.Matches($"^0::/{Path.GetFileName(_cgroup.Path)}/runs/{record.Id.Split('/')[1]}-[0-9a-f]{{16}}\n$", record.Output);
        Assert.Contains(worker.Pid, CgroupFolder.PidsIn(_cgroup.File("worker"))); // With the process that holds its commands.
        await Patience.Until(() => Directory.GetDirectories(_cgroup.File("runs")).Length == 0, () => "the run's cgroup is still there");
        Assert.DoesNotContain("fail on this worker", worker.ReadLog());
    }

    [Fact]
    public async Task A_kill_leaves_nothing_in_it()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await StartWorkerAsync(cluster, "--cgroupPerRun", "true");
        await cluster.SaveAsync(
            "hides",
            "(env -i setsid bash -c 'setsid bash -c \"trap : TERM; while :; do sleep 0.1; done\" &') ; sleep 300; true",
            Never,
            new { killGraceSeconds = 1 });

        await cluster.CallAsync("/api/v1/jobs/hides/run");
        await Patience.Until(
            () => Directory.GetDirectories(_cgroup.File("runs")).Any(run => CgroupFolder.PidsIn(run).Length >= 3), cluster.Describe);
        await cluster.CallAsync("/api/v1/jobs/hides/kill");
        var record = Assert.Single(await cluster.RecordsSoon("hides", records => records.Count == 1));

        Assert.Equal(RunStatus.Killed, record.Status);
        Assert.DoesNotContain("left behind", record.Err);
        await Patience.Until(() => Directory.GetDirectories(_cgroup.File("runs")).Length == 0, () => "the run's cgroup is still there");
    }

    [Fact]
    public async Task A_run_with_limits_that_the_host_cannot_enforce_fails_and_says_why()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        Assert.SkipWhen(File.ReadAllText(_cgroup.File("cgroup.controllers")).Contains("memory"), "this host can keep the limit");
        await StartWorkerAsync(cluster);
        await cluster.SaveAsync("greedy", "echo never", Never, new { memoryMax = "64M" });

        await cluster.CallAsync("/api/v1/jobs/greedy/run");
        var record = Assert.Single(await cluster.RecordsSoon("greedy", records => records.Count == 1));

        Assert.Equal(
            (RunStatus.Failed, $"memoryMax is 64M, which worker w1 cannot keep: its cgroup {_cgroup.Path} has no memory controller"),
            (record.Status, record.Err));
    }

    [Fact]
    public async Task A_run_that_takes_more_memory_than_its_limit_fails_and_says_so()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        Assert.SkipUnless(
            File.ReadAllText(_cgroup.File("cgroup.controllers")).Contains("memory"), "this host has the memory controller in cgroup v1");
        await StartWorkerAsync(cluster);
        await cluster.SaveAsync("greedy", "x=$(head -c 200M /dev/zero | tr '\\0' x); echo never", Never, new { memoryMax = "64M" });

        await cluster.CallAsync("/api/v1/jobs/greedy/run");
        var record = Assert.Single(await cluster.RecordsSoon("greedy", records => records.Count == 1));

        Assert.Equal(
            (RunStatus.Failed, "killed by the host: it used more memory than its limit of 64 MiB", true),
            (record.Status, record.Err, record.OomKilled));
        Assert.InRange(record.PeakMemoryBytes, 1 << 20, 64 << 20);
    }

    [Fact]
    public async Task A_worker_that_shares_its_cgroup_leaves_it_unchanged_and_says_why_limits_fail()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        var worker = await cluster.StartWorkerBehindAsync(
            [.. _cgroup.Front, "sh", "-c", "setsid sleep 300 & exec \"$0\" \"$@\""], "dts-worker", "w1");
        await cluster.SaveAsync("limited", "echo never", Never, new { pidsMax = 10 });

        await cluster.CallAsync("/api/v1/jobs/limited/run");
        var record = Assert.Single(await cluster.RecordsSoon("limited", records => records.Count == 1));

        Assert.Matches(
            $"^pidsMax is 10, which worker w1 cannot keep: this worker shares its cgroup {_cgroup.Path} with others \\(process [0-9]+\\)$",
            record.Err);
        await worker.LogsSoon(
            $"jobs with memoryMax, cpuMax or pidsMax fail on this worker, all others run: this worker shares its cgroup {_cgroup.Path}");
        Assert.Empty(Directory.GetDirectories(_cgroup.Path));
    }

    [Fact]
    public async Task An_empty_cgroup_of_an_earlier_process_is_removed()
    {
        Directory.CreateDirectory(_cgroup.File("runs/20260101T000000Z-0123456789abcdef"));
        await using var cluster = await NativeCluster.StartAsync(workers: 0);

        await StartWorkerAsync(cluster);

        Assert.Empty(Directory.GetDirectories(_cgroup.File("runs")));
    }

    private Task<NativeProcess> StartWorkerAsync(NativeCluster cluster, params string[] more) =>
        cluster.StartWorkerBehindAsync(_cgroup.Front, "dts-worker", "w1", more);
}
