using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>A worker is drained and taken back over the API: native master and workers.</summary>
public sealed class DrainTests : IAsyncLifetime
{
    private static readonly object OnW1 = new { target = new { workers = new[] { "w1" } } };
    private static readonly object OnlyW1 = new { target = new { workers = new[] { "w1" } }, startDeadlineSeconds = 1 };
    private static readonly object OnlyW9 = new { target = new { workers = new[] { "w9" } }, startDeadlineSeconds = 1 };

    private readonly HttpClient _http = new();
    private NativeCluster _cluster = null!;

    public async ValueTask InitializeAsync() => _cluster = await NativeCluster.StartAsync(2);

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        _http.Dispose();
    }

    [Fact]
    public async Task A_drained_worker_ends_what_runs_and_leaves_the_rest_to_others_also_after_a_restart_until_it_is_taken_back()
    {
        var gate = Path.Combine(_cluster.Folder, "gate");
        await _cluster.SaveAsync("long", $"until [ -e {gate} ]; do sleep 0.1; done", "0 0 1 1 *", OnW1);
        await _cluster.SaveAsync("everyone", "true", "* * * * * *");
        await _cluster.SaveAsync("only-w1", "true", "* * * * * *", OnlyW1);
        await _cluster.SaveAsync("nobody", "true", "* * * * * *", OnlyW9);
        await _cluster.RunAsync("long");
        await Patience.Until(
            () => _cluster.GetAsync("/api/v1/runs?filter=state:running%20job:long").Result["unended"]!.AsArray().Count == 1,
            () => _cluster.Describe());
        await _cluster.RecordsSoon("only-w1", records => records.Any(record => record.Status == RunStatus.Succeeded));

        Assert.Equal(204, await PostAsync("w1/drain"));
        await SoonAsync(worker => StateOf(worker) == "draining" && $"{worker["drain"]}".StartsWith("by ", StringComparison.Ordinal));
        File.Create(gate).Dispose();
        await SoonAsync(worker => StateOf(worker) == "drained");
        Assert.Equal(RunStatus.Succeeded, Assert.Single(await _cluster.RecordsSoon("long", records => records.Count == 1)).Status);

        await AssertLeftToOthersAsync();
        await _cluster.Workers["w1"].KillAsync();
        await _cluster.StartWorkerAsync("w1");
        await SoonAsync(worker => StateOf(worker) == "drained");
        await AssertLeftToOthersAsync();

        Assert.Equal(204, await PostAsync("w1/undrain"));
        await SoonAsync(worker => StateOf(worker) == "live");
        var back = Now();
        await _cluster.RecordsSoon(
            "only-w1", records => records.Any(record => record.PlanTime > back && record is { Status: RunStatus.Succeeded, Worker: "w1" }));
        await _cluster.RecordsSoon("everyone", records => records.Any(record => record.PlanTime > back && record.Worker == "w1"));
        Assert.Equal(404, await PostAsync("w9/drain"));
    }

    /// <summary>What others can run they run; what nobody else can run ends as it does where no worker is there.</summary>
    private async Task AssertLeftToOthersAsync()
    {
        var since = Now() + 1500; // A fire is claimed a second ahead.
        List<RunRecord> After(IEnumerable<RunRecord> records) => [.. records.Where(record => record.PlanTime > since)];
        bool IsOf(RunRecord record, string worker) => record.Status == RunStatus.Succeeded && record.Worker == worker;
        var all = After(await _cluster.RecordsSoon("everyone", records => After(records).Count(record => IsOf(record, "w2")) >= 3));
        Assert.DoesNotContain(all, record => IsOf(record, "w1"));
        foreach (var (job, worker) in new[] { ("only-w1", "w1"), ("nobody", "w9") })
        {
            var why = $"no live worker matches its target ({worker}) within 1 s";
            var missed = After(await _cluster.RecordsSoon(job, records => After(records).Any(record => record.Err == why)));
            Assert.All(missed, record => Assert.Equal(RunStatus.Missed, record.Status));
        }
    }

    private static string? StateOf(JsonNode worker) => (string?)worker["state"];

    private static long Now() => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    private async Task<int> PostAsync(string path)
    {
        using var answer = await _http.PostAsync(new Uri(_cluster.MasterUri, $"/api/v1/workers/{path}"), null);
        return (int)answer.StatusCode;
    }

    private async Task SoonAsync(Func<JsonNode, bool> isSo)
    {
        JsonNode? seen = null;
        await Patience.Until(
            () => (seen = _cluster.GetAsync("/api/v1/workers").Result["workers"]!.AsArray()
                .FirstOrDefault(worker => (string?)worker!["id"] == "w1")) is { } worker && isSo(worker),
            () => $"{seen}\n{_cluster.Describe()}");
    }
}
