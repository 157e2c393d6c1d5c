using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>MongoDB's driver in the native executables, driven through worker and master.</summary>
/// <remarks>These tests stand for the warnings IL2104 and IL3053 about the driver's assemblies, which the build does not show.</remarks>
public sealed class MongoTests : IAsyncLifetime
{
    private const string Never = "0 0 0 1 1 * 2099";

    private readonly DocumentServer _server = new();
    private readonly HttpClient _http = new();

    public async ValueTask InitializeAsync()
    {
        await _server.InitializeAsync();
        Assert.SkipUnless(_server.Kind == "DocumentDB", $"{_server.Kind} is nobody's to change");
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task A_log_found_by_DNS_behind_a_password_keeps_finds_lists_counts_and_replaces_as_its_contract_says()
    {
        await using var dns = Dns();
        var uri = $"mongodb+srv://{ScramLogin.User}:{ScramLogin.Password}@{DnsServer.Name}/?tls=false&compressors=zstd";
        await using var cluster = await NativeCluster.StartBehindAsync(dns.Front, _server.Uri, uri, workers: 1);
        var ids = new List<string>();
        await cluster.SaveAsync("good", "printf 'a\\t\"b\" <c> 备份 \\001\\n'", Never);
        for (var n = 1; n <= 5; n++)
        {
            ids.Add($"good/{await cluster.RunAsync("good")}");
            await cluster.RecordsSoon("good", records => records.Count == n);
        }

        ids.Reverse(); // Latest first, as lists are.
        ids.Add($"bad/{await RunAsync("bad", "echo disk FULL; exit 3", RunStatus.Failed)}");
        ids.Add($"slow/{await RunAsync("slow", "sleep 60", RunStatus.TimedOut, new { timeoutSeconds = 1, killGraceSeconds = 1 })}");

        // A record comes back as it was written, and each is found by what it is.
        var record = (await cluster.GetAsync($"/api/v1/runs/{ids[0]}?output=true"))["record"]!;
        Assert.Equal("a\t\"b\" <c> 备份 \u0001\n", (string?)record["output"]);
        Assert.Equal(["succeeded", "w1", "manual"], new[] { "status", "worker", "trigger" }.Select(field => (string?)record[field]));
        Assert.Equal(0, (int?)record["exitCode"]);
        await FoundAsync("filter=ending:failed", ids[5]);
        await FoundAsync("filter=%22DISK%20full%22", ids[5]);
        await FoundAsync("filter=worker:w1%20trigger:manual", [ids[6], ids[5], .. ids[..5]]);
        await FoundAsync("filter=worker:w2");
        var before = (await cluster.GetAsync($"/api/v1/runs/{ids[1]}"))["record"]!;
        var earlier = DateTimeOffset.FromUnixTimeMilliseconds((long)before["startTime"]!);
        await FoundAsync($"filter=job:good&from={earlier:yyyy-MM-ddTHH:mm:ss.fffZ}", [.. ids[..2]]);

        // Pages follow each other; the original's list is cut by skip and limit.
        var first = await cluster.GetAsync("/api/v1/runs?filter=job:good&limit=2");
        var second = await cluster.GetAsync($"/api/v1/runs?filter=job:good&limit=2&after={(string?)first["next"]}");
        Assert.Equal(ids[..4], IdsOf(first["runs"]!).Concat(IdsOf(second["runs"]!)));
        Assert.Equal(ids[1..3], IdsOf((await cluster.GetAsync("/job/log?name=good&skip=1&limit=2"))["data"]!));

        // Runs are counted, and their ledger is drawn up.
        await CountedAsync("good", counts => (long?)counts["succeeded"] == 5);
        Assert.Contains("\"lines\":", (await cluster.GetAsync("/api/v1/jobs/good/ledger")).ToJsonString(), StringComparison.Ordinal);

        // An ending replaces "lost", and is counted instead of it.
        var go = Path.Combine(cluster.Folder, "go");
        await cluster.SaveAsync("held", $"until [ -e {go} ]; do sleep 0.1; done; echo done", Never);
        var held = $"held/{await cluster.RunAsync("held")}";
        using (var store = new MongoLogStore(_server.Uri, TimeSpan.FromSeconds(5), NullLogger.Instance))
        {
            var now = DateTimeOffset.UtcNow;
            var lost = Some.Record(0, "held", RunStatus.Lost) with { Id = held, PlanTime = now.ToUnixTimeMilliseconds() };
            await store.WriteAsync([lost with { ExpireAt = now.AddDays(1) }], CancellationToken.None);
        }

        await File.WriteAllTextAsync(go, "");
        await cluster.RecordsSoon("held", records => records is [{ Status: RunStatus.Succeeded, Output: "done\n" }]);
        await CountedAsync("held", counts => (long?)counts["succeeded"] == 1 && ((long?)counts["lost"] ?? 0) == 0);

        // A refused record holds up no other, and every index is there.
        _server.TryReject("unwanted");
        await cluster.SaveAsync("unwanted", "true", Never);
        await cluster.CallAsync("/api/v1/jobs/unwanted/run");
        await cluster.Workers["w1"].LogsSoon("the log store refuses the record (Document failed validation)");
        await RunAsync("wanted", "true", RunStatus.Succeeded);
        using (var store = new MongoLogStore(_server.Uri, TimeSpan.FromSeconds(5), NullLogger.Instance))
        {
            Assert.Empty(await store.FindMissingIndexesAsync());
        }

        Assert.Contains("zstd", _server.Compressors);
        Assert.Contains($"_mongodb._tcp.{DnsServer.Name}", dns.Asked);

        async Task<string> RunAsync(string job, string command, RunStatus ending, object? more = null)
        {
            await cluster.SaveAsync(job, command, Never, more);
            var runId = await cluster.RunAsync(job);
            await cluster.RecordsSoon(job, records => records is [var record] && record.Status == ending);
            return runId!;
        }

        async Task FoundAsync(string query, params string[] expected) =>
            Assert.Equal(expected, IdsOf((await cluster.GetAsync($"/api/v1/runs?{query}"))["runs"]!));

        async Task CountedAsync(string job, Func<JsonNode, bool> isEnough)
        {
            JsonNode counts = new JsonObject();
            await Patience.Until(
                () => isEnough(counts = cluster.GetAsync($"/api/v1/jobs/{job}/stats").Result["endings"]!),
                () => counts.ToJsonString());
        }

        static string[] IdsOf(JsonNode records) => [.. records.AsArray().Select(record => (string)record!["_id"]!)];
    }

    [Fact]
    public async Task Why_the_log_cannot_be_asked_is_one_line()
    {
        await using var dns = Dns();
        await using var cluster = await NativeCluster.StartBehindAsync(dns.Front, _server.Uri, "", workers: 0);

        foreach (var (uri, expected) in new[]
        {
            ($"mongodb://dts:hunter2@{Host}/?authSource=cron",
                $"MongoDB at {Host}: it refuses the user or the password of mongodbUri: Authentication failed.; "),
            ("mongodb://dts:hunter2@nowhere.dts.test/", "MongoDB at nowhere.dts.test: nowhere.dts.test:27017: "),
            ("mongodb+srv://dts:hunter2@nowhere.dts.test/",
                "MongoDB at nowhere.dts.test: DNS has no hosts for it (SRV records of _mongodb._tcp and this name); "),
        })
        {
            var (said, about) = ("", await AboutAsync(cluster, uri));
            await Patience.Until(() => (said = AskAsync(about).Result).StartsWith(expected, StringComparison.Ordinal), () => said);
            Assert.DoesNotContain("hunter2", said, StringComparison.Ordinal);
            Assert.Single(said.Split('\n'));
        }
    }

    [Fact]
    public async Task Each_compressor_works_and_TLS_trusts_the_authorities_of_tlsCAFile_and_shows_tlsCertificateKeyFile()
    {
        await using var cluster = await NativeCluster.StartWithAsync("", workers: 0);
        foreach (var compressor in new[] { "zlib", "snappy", "zstd" })
        {
            var about = await AboutAsync(cluster, $"{_server.Uri}&compressors={compressor}");
            await AnswersAsync(about);
            Assert.Contains(compressor, _server.Compressors);
        }

        using var files = new TlsFiles();
        using var others = new TlsFiles();
        using var front = new TlsFront(files, Host);
        var own = Path.Combine(cluster.Folder, "own.pem");
        await File.WriteAllLinesAsync(
            own, [await File.ReadAllTextAsync(files.ClientFile), await File.ReadAllTextAsync(files.ClientKeyFile)]);
        var place = $"mongodb://127.0.0.1:{front.Port}/?directConnection=true";

        var trusting = await AboutAsync(cluster, $"{place}&tlsCAFile={files.AuthorityFile}&tlsCertificateKeyFile={own}");
        await AnswersAsync(trusting);
        Assert.Equal("CN=client", front.Client);

        var (said, wary) = ("", await AboutAsync(cluster, $"{place}&tlsCAFile={others.AuthorityFile}"));
        await Patience.Until(() => (said = AskAsync(wary).Result).Contains("certificate", StringComparison.Ordinal), () => said);
    }

    [Fact]
    public async Task A_primary_that_steps_down_costs_no_record_and_no_failure()
    {
        Assert.True(_server.TryStepDown());
        await using var cluster = await NativeCluster.StartWithAsync($"mongodb://{Host}/?replicaSet=rs", workers: 1);
        await cluster.SaveAsync("steps", "true", Never);

        await cluster.CallAsync("/api/v1/jobs/steps/run");
        await cluster.RecordsSoon("steps", records => records.Count == 1);

        Assert.Equal(0, cluster.Workers["w1"].CountInLog("log store unavailable"));
    }

    private string Host => new Uri(_server.Uri).Authority;

    private DnsServer Dns()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "another /etc/resolv.conf needs root");
        return new DnsServer(new Uri(_server.Uri).Port, $"authSource={ScramLogin.Database}");
    }

    /// <summary>Starts a master that finds the log by this URI, and returns where it is.</summary>
    private static async Task<Uri> AboutAsync(NativeCluster cluster, string uri) =>
        (await cluster.StartMasterAsync("--mongodbUri", uri, "--mongodbConnectTimeout", "3000")).Uri;

    /// <summary>Waits until a master has the log. A slow machine may take longer than one question is given.</summary>
    private async Task AnswersAsync(Uri master)
    {
        var said = "";
        await Patience.Until(async () => (said = await AskAsync(master)) == "success", () => said);
    }

    /// <summary>Asks a master for the log: "success", or what its refusal says.</summary>
    private async Task<string> AskAsync(Uri master)
    {
        using var answer = await _http.GetAsync(new Uri(master, "/api/v1/runs"));
        return answer.IsSuccessStatusCode ? "success" : (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["detail"]!;
    }
}
