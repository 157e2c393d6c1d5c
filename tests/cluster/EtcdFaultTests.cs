using System.Net;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Cluster;

public sealed class EtcdFaultTests
{
    private const string EverySecond = "* * * * * *";
    private const string Never = "0 0 0 1 1 * 2099";

    [Fact]
    public async Task A_job_saved_after_etcd_was_wiped_starts_within_seconds()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);
        await cluster.SaveAsync("former", "true", EverySecond);
        await cluster.RecordsSoon("former", records => records.Count >= 5);

        await cluster.Etcd.WipeAsync();
        await SaveSoonAsync(cluster, "fresh");

        await cluster.RecordsSoon("fresh", records => records.Count(record => record.Status == RunStatus.Succeeded) >= 3);
        Assert.Contains("etcd has come back with different data", cluster.Describe(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_that_a_snapshot_brings_back_runs_although_it_was_deleted_at_a_later_revision()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        await cluster.SaveAsync("back", "true", Never);
        var snapshot = await cluster.Etcd.SaveSnapshotAsync();
        using (var etcd = cluster.Etcd.Connect(NullLogger.Instance))
        {
            for (var n = 0; n < 1000; n++)
            {
                await etcd.PutAsync("/elsewhere", $"{n}");
            }
        }

        await cluster.DeleteAsync("/api/v1/jobs/back");
        await cluster.Etcd.RestoreAsync(snapshot);
        await cluster.Workers["w1"].LogsSoon("watch of /cron/jobs/ drops");
        await cluster.CallAsync("/api/v1/jobs/back/run");

        var record = Assert.Single(await cluster.RecordsSoon("back", records => records.Count == 1));
        Assert.Equal((RunStatus.Succeeded, ""), (record.Status, record.Err));
    }

    [Fact]
    public async Task A_worker_told_to_stop_while_etcd_is_away_writes_all_endings_and_ends_in_time()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1, "--drainTimeout", "5", "--slots", "100");
        string[] jobs = [.. Enumerable.Range(1, 20).Select(n => $"job-{n}")];
        var started = Path.Combine(cluster.Folder, "started");
        foreach (var job in jobs)
        {
            await cluster.SaveAsync( // Some of its runs end while etcd is away.
                job, $"echo $DTS_JOB/$DTS_RUN_ID >>{started}; sleep 4", EverySecond, new { overlap = "allow" });
        }

        var worker = cluster.Workers["w1"];
        await Patience.Until(() => worker.CountInLog(" succeeded for ") > 40, cluster.Describe);
        await cluster.Etcd.KillAsync();
        var before = worker.CountInLog(" succeeded for ");
        await worker.LogsSoon("etcd is unreachable");
        await Patience.Until(() => worker.CountInLog(" succeeded for ") >= before + 10, cluster.Describe);

        Assert.Equal(0, await worker.StopAsync());

        var records = await ReadAsync(cluster, jobs);
        Assert.Equal(worker.CountInLog(" succeeded for "), records.Count(record => record.Status == RunStatus.Succeeded));
        await cluster.Etcd.StartAsync();
        foreach (var job in jobs)
        {
            await Patience.Until(() => IsDeletedAsync(cluster, job), cluster.Describe);
        }

        Assert.NotEqual("", await cluster.Etcd.RunCtlAsync("get", "--prefix", "/cron/runs/"));
        await cluster.StartWorkerAsync("w1");
        await Patience.Until(
            () => cluster.Etcd.RunCtlAsync("get", "--prefix", "/cron/runs/").GetAwaiter().GetResult().Length == 0, cluster.Describe);
        var lost = (await ReadAsync(cluster, jobs)).Where(record => record.Status == RunStatus.Lost).Select(record => record.Id);
        Assert.Empty(lost.Intersect(File.ReadLines(started))); // A claim that etcd granted as it died never started.
    }

    private static async Task<List<RunRecord>> ReadAsync(NativeCluster cluster, string[] jobs)
    {
        var all = new List<RunRecord>();
        foreach (var job in jobs)
        {
            all.AddRange(await cluster.RecordsAsync(job));
        }

        return all;
    }

    /// <summary>False = the master has not found etcd again.</summary>
    private static async Task<bool> IsDeletedAsync(NativeCluster cluster, string job)
    {
        using var answer = await cluster.DeleteAsync($"/api/v1/jobs/{job}");
        return answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.NotFound; // Deleted without an answer before.
    }

    /// <summary>Saves a job as soon as the master has found etcd again.</summary>
    private static Task SaveSoonAsync(NativeCluster cluster, string name) => Patience.Until(
        () => (int)cluster
            .PostAsync("/job/save", "job", $$"""{"name":"{{name}}","command":"true","cronExpr":"{{EverySecond}}"}""")
            .GetAwaiter()
            .GetResult()["errno"]! == 0,
        cluster.Describe);
}
