using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Records;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Dts.Tests.Cluster.Upgrade;

/// <summary>
/// Has a version write each of its formats, and keeps them for the tests of later versions: <c>make golden PREVIOUS=v1.0.0</c>.
/// </summary>
public sealed class GoldenRecorder : IAsyncLifetime
{
    private const string Never = "0 0 0 1 1 * 2099";
    private const string EverySecond = "* * * * * *";
    private const string Password = "correct horse battery";

    /// <summary>The kinds of keys of which a value must be seen.</summary>
    private static readonly string[] Expected =
    [
        "access/people/*", "access/sessions/*", "access/tokens/*", "access/used/*", "alerts/mutes/*", "alerts/outbox/*",
        "alerts/progress", "alerts/recent/*", "alerts/rules/*", "alerts/sending/*", "alerts/state/*/*", "drained/*", "fired/*", "fired/*/*",
        "history/*", "jobs/*", "killer/*", "killer/*/*", "lock/reaper", "owed/*/*", "queue/*/*", "requests/*/*", "runs/*/*",
        "versions/*/*", "workers/*",
    ];

    private readonly ScratchFolder _scratch = new();
    private WebhookReceiver _hook = null!;
    private NativeCluster _cluster = null!;

    internal static GoldenFiles Golden { get; } = new(Environment.GetEnvironmentVariable("GOLDEN_VERSION") ?? "none");

    private string Data => Path.Combine(_cluster.Folder, "w1");

    public async ValueTask InitializeAsync()
    {
        _hook = await WebhookReceiver.StartAsync();
        var channels = new JsonObject { ["pager"] = new JsonObject { ["type"] = "webhook", ["url"] = $"{_hook.Url}/pager" } };
        await File.WriteAllTextAsync(_scratch.File("channels.json"), channels.ToJsonString());
        _cluster = await NativeCluster.StartBehindAsync(["env", $"DTS_ALERTCHANNELS={_scratch.File("channels.json")}"], "", "", 1);
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        await _hook.DisposeAsync();
        _scratch.Dispose();
    }

    [Fact(Explicit = true)]
    public async Task Record_what_this_version_writes()
    {
        if (Directory.Exists(Golden.Data))
        {
            Directory.Delete(Golden.Data, recursive: true);
        }

        Directory.CreateDirectory(Golden.Data);
        await RunJobsAsync();
        await LeaveDataAsync();
        await LoseRunAsync();
        await SendAsync("/api/v1/workers/w1/drain", body: null);
        await SendAsync("/api/v1/workers/w1/undrain", body: null);
        await File.WriteAllTextAsync(Golden.PathOf("openapi.json"), (await _cluster.GetAsync("/openapi/v1.json")).ToJsonString());
        await SignInAsync();

        var pairs = (await ReadAllPutsAsync()).DistinctBy(pair => Shape.Of(pair.Key, pair.Value)).OrderBy(pair => pair.Key).ToList();
        Golden.WriteEtcd(pairs);
        await File.WriteAllTextAsync(Golden.PathOf("log.sql"), LogDump.Of(Path.Combine(_cluster.Folder, "log.db")));

        Assert.Equal(Expected, pairs.Select(pair => Shape.KindOf(pair.Key)).Distinct().Order(StringComparer.Ordinal));
    }

    /// <summary>Runs that succeed, fail, are skipped, wait, or are killed; requests, alerts, and an edited and a deleted job.</summary>
    private async Task RunJobsAsync()
    {
        await _cluster.CallAsync(
            "/api/v1/alerts/mutes", new { filter = "job:other", reason = "a new disk", until = DateTimeOffset.UtcNow.AddDays(300) });
        await SendAsync(
            "/api/v1/alerts/rules/oncall", new { channel = "pager", filter = "job:failing" }, method: HttpMethod.Put);
        await SaveAsync("rich", Never, "exit 0", new
        {
            description = "with each member that a job can have", timeZone = "Europe/Berlin", labels = new { team = "pay" }, mode = "all",
            target = new { workers = new[] { "w9" }, labels = new { zone = "a" } }, overlap = "replace", misfire = "once",
            startDeadlineSeconds = 50, timeoutSeconds = 3600, killGraceSeconds = 7,
            retry = new { max = 3, delaySeconds = 5, backoff = 1.5, maxDelaySeconds = 60, elsewhere = true }, onWorkerLost = "rerun",
            onDisconnect = "kill", user = "nobody", cwd = "/tmp", env = new { FULL = "yes" }, shell = "/bin/sh", memoryMax = "64M",
            cpuMax = 1.5, pidsMax = 100, outputLimitBytes = 4096, retentionDays = 3, secrets = new[] { "db" }, then = new[] { "far" },
            onFailure = new[] { "far" }, always = new[] { "far" },
            alert = new
            {
                channel = "pager", on = new[] { "failing", "slow" }, after = 2, slowFactor = 4, noSuccessSeconds = 60, quietSeconds = 30,
            },
        });
        await SaveAsync("far", Never, "true", new { target = new { workers = new[] { "w9" } } });
        await SaveAsync("often", EverySecond, "echo often", new { overlap = "allow", misfire = "all", then = new[] { "far" } });
        await SaveAsync("everywhere", EverySecond, "true", new { mode = "all" });
        await SaveAsync("slow", EverySecond, "sleep 2.5; echo slow");
        await SaveAsync("failing", Never, "echo wrong; exit 3", new { retry = new { max = 1, delaySeconds = 3600, elsewhere = true } });
        await SaveAsync("held", Never, "echo held; exec sleep 600", new { misfire = "skip" });
        await SaveAsync("gone", EverySecond, "true");
        await SaveAsync("gone", "*/7 * * * * *", "true");
        await _cluster.DeleteAsync("/api/v1/jobs/gone");

        await _cluster.RunAsync("far", new { worker = "w9", env = new { FULL = "yes" } });
        await _cluster.RunAsync("failing");
        await SendAsync("/api/v1/jobs/held/run", body: null, headers: ("Idempotency-Key", "a key of the caller"));
        await KeysSoon("/cron/runs/held/");
        await _cluster.CallAsync("/api/v1/jobs/held/kill", new { reason = "the disk is full" });
        var run = await _cluster.RunAsync("held");
        await KeysSoon($"/cron/runs/held/{run}");
        await _cluster.CallAsync($"/api/v1/runs/held/{run}/kill");
        await _cluster.RecordsSoon("held", records => records.Count >= 2);
        await _cluster.RecordsSoon("failing", records => records.Count > 0);
        await _cluster.RecordsSoon("slow", records => records.Select(record => record.Status).Distinct().Count() >= 2);
        await _cluster.RecordsSoon("everywhere", records => records.Count > 0);
        await Patience.Until(() => !_hook.Posts.IsEmpty, () => "no message of an alert");
    }

    /// <summary>A worker's data as a kill -9 leaves it while the log store is away, and what its holder says and leaves.</summary>
    private async Task LeaveDataAsync()
    {
        await _cluster.RunAsync("held");
        await Patience.Until(
            () => File.ReadAllText($"{Data}/launches").Contains("launched held/", StringComparison.Ordinal)
                && Directory.GetFiles($"{Data}/output", "*.out").Any(IsOfHeld),
            () => "no output of a command that runs");
        await using (var file = new SqliteConnection($"Data Source={Path.Combine(_cluster.Folder, "log.db")};Pooling=False"))
        {
            await file.OpenAsync();
            await using var hold = file.BeginTransaction(deferred: false);
            await Patience.Until(() => SpoolFolder.CountWaiting($"{Data}/spool") >= 6, () => "no records wait in the spool");
            await _cluster.Workers["w1"].KillAsync();
            await Tool.RunAsync("cp", "-r", $"{Data}/spool", $"{Data}/output", $"{Data}/launches", Golden.Data);
        }

        await File.WriteAllTextAsync(Golden.PathOf("holds.json"), await HearHolderAsync());
        _cluster.CommandsAlive().ForEach(pid => Processes.Signal(pid, "KILL"));

        string[] left = [];
        await Patience.Until(
            () => (left = [.. Directory.GetFiles($"{Data}/holders", "*.ended").Where(file => new FileInfo(file).Length > 0)]).Length > 0,
            () => "the holder has left no endings");
        Directory.CreateDirectory(Path.Combine(Golden.Data, "holders"));
        File.Copy(left[0], Path.Combine(Golden.Data, "holders", "left.ended"));
        var gap = DateTimeOffset.UtcNow.AddSeconds(5);
        await Patience.Until(() => DateTimeOffset.UtcNow > gap, () => "the clock stands still"); // Some plan times are missed.
        await _cluster.StartWorkerAsync("w1");
        await _cluster.RecordsSoon("everywhere", records => records.Any(record => record.MissedCount > 0));
    }

    private static bool IsOfHeld(string file)
    {
        try
        {
            return File.ReadAllText(file).StartsWith("held/", StringComparison.Ordinal);
        }
        catch (FileNotFoundException)
        {
            return false; // It is in the log store.
        }
    }

    /// <summary>The first line that a holder sends to a worker that connects.</summary>
    private async Task<string> HearHolderAsync()
    {
        using var holder = HolderFolder.TryConnect(Directory.GetFiles($"{Data}/holders", "*.sock").Single())!;
        var line = new StringBuilder();
        var bytes = new byte[64 << 10];
        while (!line.ToString().Contains('\n', StringComparison.Ordinal))
        {
            var count = await holder.ReceiveAsync(bytes).WaitAsync(Patience.Limit);
            Assert.True(count > 0, "the holder has ended");
            line.Append(Encoding.UTF8.GetString(bytes, 0, count));
        }

        return line.ToString().Split('\n')[0];
    }

    private async Task LoseRunAsync()
    {
        var run = await _cluster.RunAsync("held");
        await KeysSoon($"/cron/runs/held/{run}");
        await _cluster.Workers["w1"].KillAsync();
        Processes.Running($"dts-worker hold {Data}/").ForEach(pid => Processes.Signal(pid, "KILL"));
        await _cluster.StartWorkerAsync("w1");
        await _cluster.RecordsSoon("held", records => records.Any(record => record.Id == $"held/{run}"));
    }

    /// <summary>From here on every request needs a token.</summary>
    private async Task SignInAsync()
    {
        var admin = (string)(await _cluster.CallAsync("/api/v1/tokens", new { name = "root", role = "admin" }))["token"]!;
        var asked = new { name = "grafana", role = "viewer", filter = "label:team=pay", endsAt = "2099-01-01" };
        var token = (string)(await SendAsync("/api/v1/tokens", asked, admin))["token"]!;
        await SendAsync(
            "/api/v1/users", new { name = "mara", role = "operator", filter = "label:team=pay", password = Password }, admin);
        using var http = new HttpClient { BaseAddress = _cluster.MasterUri };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        await Patience.Until(() => http.GetAsync("/api/v1/me").Result.IsSuccessStatusCode, () => "the token does not count");
        await KeysSoon("/cron/access/used/grafana");
        await SendAsync("/api/v1/session", new { name = "mara", password = Password });
    }

    /// <summary>All values that etcd ever had, the oldest first.</summary>
    private async Task<List<(string Key, string Value)>> ReadAllPutsAsync()
    {
        var watch = "timeout 5 etcdctl watch --prefix /cron/ --rev 1 -w json --endpoints "
            + $"{_cluster.Etcd.Endpoint.Authority}; true";
        var found = new List<(string, string)>();
        foreach (var line in (await Tool.RunAsync("sh", "-c", watch)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            foreach (var change in JsonNode.Parse(line)!["Events"]?.AsArray() ?? [])
            {
                if (change!["type"] is null) // A put.
                {
                    found.Add((Text(change["kv"]!["key"]), Text(change["kv"]!["value"])));
                }
            }
        }

        return found;

        static string Text(JsonNode? base64) => base64 is null ? "" : Encoding.UTF8.GetString(Convert.FromBase64String((string)base64!));
    }

    private Task KeysSoon(string prefix) => Patience.Until(
        () => _cluster.Etcd.RunCtlAsync("get", "--prefix", "--keys-only", prefix).Result.Length > 0, () => $"no key {prefix}");

    private Task SaveAsync(string name, string cronExpr, string command, object? more = null) =>
        _cluster.SaveAsync(name, command, cronExpr, more);

    private async Task<JsonNode> SendAsync(
        string path, object? body, string token = "", HttpMethod? method = null, params (string Name, string Value)[] headers)
    {
        using var http = new HttpClient { BaseAddress = _cluster.MasterUri };
        using var request = new HttpRequestMessage(method ?? HttpMethod.Post, path);
        request.Content = body is null ? null : JsonContent.Create(body);
        request.Headers.Authorization = token.Length > 0 ? new AuthenticationHeaderValue("Bearer", token) : null;
        Array.ForEach(headers, header => request.Headers.Add(header.Name, header.Value));
        using var answer = await http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{path}: {text}");
        return text.Length > 0 ? JsonNode.Parse(text)! : new JsonObject();
    }
}
