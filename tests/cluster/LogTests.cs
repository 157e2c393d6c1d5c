using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

public sealed class LogTests(DocumentServer server) : IClassFixture<DocumentServer>
{
    private const string Never = "0 0 0 1 1 * 2099";

    // The published figure is of two minutes; a shorter form shows the same every day.
    private static readonly int OutageSeconds = int.Parse(
        Environment.GetEnvironmentVariable("DTS_OUTAGE_SECONDS") ?? "12", CultureInfo.InvariantCulture);

    // The same here: three minutes.
    private static readonly int FollowedSeconds = int.Parse(
        Environment.GetEnvironmentVariable("DTS_FOLLOWED_SECONDS") ?? "36", CultureInfo.InvariantCulture);

    [Fact]
    public async Task Output_is_seen_line_by_line_through_nginx_and_resumed_at_an_offset_without_loss_or_repetition()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        await using var nginx = await NginxServer.StartAsync(cluster.MasterUri);
        await cluster.SaveAsync("lines", "for i in 1 2 3 4 5 6 7 8; do echo zeile $i äöü; sleep 1; done", Never);
        var runId = await cluster.RunAsync("lines");
        var url = $"http://127.0.0.1:{nginx.Port}/api/v1/runs/lines/{runId}/output?follow=true";

        using var http = new HttpClient();
        var first = await FollowAsync(http, url, untilBytes: 40);
        var second = await FollowAsync(http, $"{url}&offset={first.Offset}", untilBytes: long.MaxValue);

        var whole = string.Concat(Enumerable.Range(1, 8).Select(i => $"zeile {i} äöü\n"));
        Assert.Equal(whole, first.Text + second.Text);
        Assert.StartsWith("succeeded;", second.End);
        Assert.True(first.Events + second.Events >= 5, $"{first.Events} and {second.Events} events: they came together");
    }

    [Fact]
    public async Task Output_that_is_long_silent_is_followed_through_the_site_of_nginx_that_we_publish_without_a_cut()
    {
        const int silence = 16; // Seconds; the site gives up other answers after 15.
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        using var tls = new TlsFiles();
        const string token = "a-token-for-this-test";
        var (_, master) = await cluster.StartMasterAsync("--apiToken", token);
        await using var nginx = await NginxServer.StartSiteAsync([master.Authority, master.Authority], tls, out _);
        using var http = tls.Connect(new Uri($"https://{NginxServer.SiteName}:{nginx.Port}"));
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        var lines = FollowedSeconds / silence;
        await cluster.SaveAsync("slow", $"for i in $(seq {lines}); do echo line $i; sleep {silence}; done", Never);

        var followed = await FollowAsync(
            http,
            $"/api/v1/runs/slow/{await cluster.RunAsync("slow")}/output?follow=true",
            untilBytes: long.MaxValue);

        Assert.Equal(string.Concat(Enumerable.Range(1, lines).Select(i => $"line {i}\n")), followed.Text);
        Assert.StartsWith("succeeded;", followed.End);
        Assert.Equal(lines, followed.Events);
    }

    [Fact]
    public async Task A_hundred_megabytes_of_output_cost_no_memory_and_the_record_says_how_much_was_cut()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        await cluster.SaveAsync("warm", "head -c 20000000 /dev/zero", Never);
        await cluster.CallAsync("/api/v1/jobs/warm/run");
        await cluster.RecordsSoon("warm", records => records.Count == 1);
        int[] pids = [cluster.Workers["w1"].Pid, Assert.Single(Processes.Running($"hold {cluster.Folder}"))];
        var before = pids.Select(PeakOf).ToList();

        await cluster.SaveAsync("flood", "head -c 100000000 /dev/zero | tr '\\0' y", Never);
        var runId = await cluster.RunAsync("flood");
        var record = Assert.Single(await cluster.RecordsSoon("flood", records => records.Count == 1));
        var grown = pids.Select(PeakOf).Zip(before, (now, then) => now - then).ToList();
        var length = (await cluster.BytesAsync($"/api/v1/runs/flood/{runId}/output", 16 << 20)).Length;

        // Young objects are collected after 4 to 6 MB. The kernel counts in batches, so a peak may also seem to shrink.
        Assert.All(grown, kilobytes => Assert.True(kilobytes <= 8 * 1024, $"{kilobytes} kB more at the peak"));
        Assert.Equal((100_000_000L, true, 16L << 20), (record.OutputBytes, record.OutputTruncated, record.OutputStored));
        Assert.InRange(record.Output.Length, 200_000, 262_144);
        Assert.Contains("bytes cut", record.Output);
        Assert.Equal(16 << 20, length);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(10_000_000)]
    public async Task Binary_output_survives_short_or_one_line_of_ten_megabytes(int size)
    {
        await using var cluster = await NativeCluster.StartWithAsync(server.Uri, workers: 1);
        var file = Path.Combine(cluster.Folder, "bytes");
        var bytes = new byte[size];
        Some.Random().NextBytes(bytes);
        bytes.AsSpan().Replace((byte)'\n', (byte)0xFF);
        await File.WriteAllBytesAsync(file, bytes);
        await cluster.SaveAsync("binary", $"cat {file}", Never);

        var runId = await cluster.RunAsync("binary");
        await cluster.RecordsSoon("binary", records => records.Count == 1);
        var read = await cluster.BytesAsync($"/api/v1/runs/binary/{runId}/output", bytes.Length);

        Assert.Equal(SHA256.HashData(bytes), SHA256.HashData(read));
    }

    [Fact]
    public async Task In_a_document_database_a_run_is_recorded_and_found_and_its_output_followed_also_after_a_restart_of_the_database()
    {
        await using var cluster = await NativeCluster.StartWithAsync(server.Uri, workers: 1, "--mongodbConnectTimeout", "1000");
        using var http = new HttpClient { BaseAddress = cluster.MasterUri };
        await RunAsync("before");
        await server.StopAsync();
        await server.StartAgainAsync();
        await RunAsync("after");

        async Task RunAsync(string job)
        {
            await cluster.SaveAsync(job, $"for i in 1 2 3; do echo {job} $i äöü; sleep 1; done", Never);
            var runId = await cluster.RunAsync(job);
            var followed = await FollowAsync(http, $"/api/v1/runs/{job}/{runId}/output?follow=true", untilBytes: long.MaxValue);
            await cluster.RecordsSoon(job, records => records.Count == 1);
            var found = await cluster.GetAsync($"/api/v1/runs?filter=%22ECHO%20{job}%22");

            Assert.Equal($"{job} 1 äöü\n{job} 2 äöü\n{job} 3 äöü\n", followed.Text);
            Assert.StartsWith("succeeded;", followed.End);
            Assert.Contains($"\"_id\":\"{job}/{runId}\"", found.ToJsonString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task While_the_store_is_away_and_a_worker_is_killed_no_record_is_lost_and_none_is_there_twice()
    {
        await using var cluster = await NativeCluster.StartWithAsync(
            server.Uri, workers: 2, "--slots", "200", "--mongodbConnectTimeout", "1000");
        var jobs = OutageSeconds < 60 ? 50 : 100;
        for (var n = 0; n < jobs; n++)
        {
            await cluster.SaveAsync(
                $"steady-{n}", $"echo $DTS_JOB $DTS_RUN_ID >> {cluster.Witness}", "* * * * * *", new { overlap = "allow" });
        }

        await cluster.RecordsSoon("steady-0", records => records.Count >= 2);
        await server.StopAsync();
        await PassesAsync(OutageSeconds / 2.0);
        await cluster.Workers["w1"].KillAsync();
        await PassesAsync(OutageSeconds / 2.0);
        await cluster.StartWorkerAsync("w1");
        await server.StartAgainAsync();
        for (var n = 0; n < jobs; n++)
        {
            await cluster.CallAsync($"/api/v1/jobs/steady-{n}/pause");
        }

        var started = cluster
            .ReadWitness()
            .GroupBy(line => line[0])
            .ToDictionary(job => job.Key, job => job.Select(line => line[1]).ToHashSet());
        foreach (var (job, runs) in started)
        {
            await cluster.RecordsSoon(job, records => runs.IsSubsetOf(records.Select(record => record.Id[(job.Length + 1)..])));
            var records = await cluster.RecordsAsync(job);
            Assert.Equal(records.Count, records.DistinctBy(record => record.Id).Count());
        }

        Assert.True(started.Values.Sum(runs => runs.Count) >= jobs * (OutageSeconds - 3), $"{started.Values.Sum(runs => runs.Count)} runs");
        await cluster.Workers["w2"].LogsSoon("log store unavailable");
        await cluster.Workers["w2"].LogsSoon("log store is back");
    }

    /// <summary>Reads the stream as a browser would, until it ends or there are enough bytes, and then hangs up.</summary>
    private static async Task<(string Text, long Offset, int Events, string End)> FollowAsync(
        HttpClient http, string url, long untilBytes)
    {
        using var response = await http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var (text, offset, events, end, name) = ("", 0L, 0, "", "");
        while (await reader.ReadLineAsync().WaitAsync(Patience.Limit) is { } line)
        {
            switch (line.Split(": ", 2))
            {
                case ["event", var which]:
                    name = which;
                    break;
                case ["data", var data] when name.Length > 0:
                    end = data;
                    break;
                case ["data", var data]:
                    var output = JsonNode.Parse(data)!;
                    text += (string?)output["text"];
                    offset = (long)output["offset"]! + (long)output["bytes"]!;
                    events++;
                    break;
            }

            if (offset >= untilBytes)
            {
                break;
            }
        }

        return (text, offset, events, end);
    }

    private static long PeakOf(int pid) =>
        long.Parse(
            File.ReadLines($"/proc/{pid}/status")
                .Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture);

    private static async Task PassesAsync(double seconds)
    {
        var passed = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (passed.Elapsed.TotalSeconds < seconds)
        {
            await timer.WaitForNextTickAsync();
        }
    }
}
