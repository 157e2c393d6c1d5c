using System.Runtime.Versioning;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>What a worker pushes to an OTLP receiver.</summary>
[SupportedOSPlatform("linux")]
public sealed class OtlpTests
{
    private const string Never = "0 0 0 1 1 * 2099";
    private static readonly string[] OftenPushed = ["env", "OTEL_METRIC_EXPORT_INTERVAL=200", "OTEL_BSP_SCHEDULE_DELAY=100"];

    [Fact]
    public async Task The_receiver_gets_the_workers_metrics_and_a_span_for_each_run_whose_context_the_command_has()
    {
        using var receiver = new OtlpReceiver();
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await StartWorkerAsync(cluster, receiver.Endpoint);
        await cluster.SaveAsync("well", "echo $TRACEPARENT", Never);
        await cluster.SaveAsync("ill", "echo $TRACEPARENT; exit 3", Never);

        var (well, ill) = (await RunAsync(cluster, "well"), await RunAsync(cluster, "ill"));
        await Patience.Until(() => receiver.Spans.Count >= 2, cluster.Describe);
        string[] metrics =
            ["dts.run.duration", "dts.runs", "dts.run.start.lag", "dts.spool.records", "dts.worker.slots", "dts.etcd.call.duration"];
        await Patience.Until(
            () => metrics.All(name => receiver.Metrics.ContainsKey(("w1", name))), () => string.Join(' ', receiver.Metrics.Keys));

        foreach (var (job, context, status) in new[] { ("well", well, "succeeded"), ("ill", ill, "failed") })
        {
            var span = Assert.Single(receiver.Spans, span => span.Name == $"run {job}");
            Assert.Equal($"00-{span.Trace}-{span.Id}-01", context);
            Assert.Equal("", span.Parent);
            Assert.Equal(
                (job, status, "manual"), (span.Attributes["dts.job"], span.Attributes["dts.status"], span.Attributes["dts.trigger"]));
        }

        Assert.Equal(2, receiver.Spans.Select(span => span.Trace).Distinct().Count());
    }

    [Fact]
    public async Task A_run_that_outlives_its_worker_stays_in_its_trace()
    {
        using var receiver = new OtlpReceiver();
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await StartWorkerAsync(cluster, receiver.Endpoint);
        await cluster.SaveAsync("goes-on", $"until test -e {cluster.Witness}; do sleep 0.1; done; echo $TRACEPARENT", Never);
        await cluster.RunAsync("goes-on");
        await cluster.Workers["w1"].LogsSoon("goes-on started");

        Assert.Equal(0, await cluster.Workers["w1"].StopAsync());
        await StartWorkerAsync(cluster, receiver.Endpoint);
        await File.WriteAllTextAsync(cluster.Witness, "", TestContext.Current.CancellationToken);
        var context = Assert.Single(await cluster.RecordsSoon("goes-on", records => records.Count == 1)).Output.Trim().Split('-');
        await Patience.Until(() => !receiver.Spans.IsEmpty, cluster.Describe);

        var span = Assert.Single(receiver.Spans);
        Assert.Equal((context[1], context[2]), (span.Trace, span.Parent));
    }

    [Fact]
    public async Task A_receiver_that_is_away_is_said_once_and_runs_go_on()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        var port = Tool.FindFreePort();
        await StartWorkerAsync(cluster, new Uri($"http://127.0.0.1:{port}"));
        await cluster.SaveAsync("well", "echo $TRACEPARENT", Never);
        await RunAsync(cluster, "well");
        await cluster.Workers["w1"].LogsSoon($"OTLP receiver http://127.0.0.1:{port}/ cannot be reached");

        using (var receiver = new OtlpReceiver(port))
        {
            await cluster.Workers["w1"].LogsSoon($"OTLP receiver http://127.0.0.1:{port}/ takes metrics and spans again");
        }

        Assert.Equal(1, cluster.Workers["w1"].CountInLog("takes metrics and spans again"));
        Assert.Equal(0, await cluster.Workers["w1"].StopAsync());
    }

    [Fact]
    public async Task Without_a_receiver_a_command_has_no_context_but_that_of_its_job()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        await cluster.SaveAsync("plain", "echo \"[$TRACEPARENT]\"", Never);

        Assert.Equal("[]", await RunAsync(cluster, "plain"));
    }

    private static Task<NativeProcess> StartWorkerAsync(NativeCluster cluster, Uri endpoint) =>
        cluster.StartWorkerBehindAsync(OftenPushed, "dts-worker", "w1", "--otlpEndpoint", endpoint.AbsoluteUri);

    private static async Task<string> RunAsync(NativeCluster cluster, string job)
    {
        await cluster.RunAsync(job);
        var record = Assert.Single(await cluster.RecordsSoon(job, records => records.Count == 1));
        Assert.NotEqual(RunStatus.Lost, record.Status);
        return record.Output.Trim();
    }
}
