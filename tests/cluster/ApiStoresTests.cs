using System.Text;
using System.Text.Json.Nodes;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>What the API says about jobs, runs and versions is the same with either log store, native master and worker.</summary>
public sealed class ApiStoresTests : IAsyncLifetime
{
    private readonly DocumentServer _server = new();
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromMinutes(2) };
    private NativeCluster _cluster = null!;

    public async ValueTask InitializeAsync() => await _server.InitializeAsync();

    public async ValueTask DisposeAsync()
    {
        if (_cluster is not null)
        {
            await _cluster.DisposeAsync();
        }

        _http.Dispose();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_job_is_saved_run_listed_killed_restored_and_exported(bool isInDocuments)
    {
        _cluster = await NativeCluster.StartWithAsync(isInDocuments ? _server.Uri : "", workers: 1);
        _http.BaseAddress = (await _cluster.StartMasterAsync()).Uri;

        // Two versions; the second client's save is refused.
        var first = await SendAsync("PUT", "jobs/report", """{"command":"echo one","cronExpr":"0 0 1 1 *","labels":{"team":"pay"}}""");
        var second = await SendAsync(
            "PUT", "jobs/report", """{"command":"echo two; echo more","cronExpr":"0 0 1 1 *","labels":{"team":"pay"}}""");
        var stale = await SendAsync("PATCH", "jobs/report", """{"timeoutSeconds":5}""", ("If-Match", first.Tag));
        Assert.Equal((201, 200, 412), (first.Status, second.Status, stale.Status));

        // One run, though it is asked for twice; its record is the answer.
        var once = await SendAsync("POST", "jobs/report/run?wait=60", "{}", ("Idempotency-Key", "once"));
        var again = await SendAsync("POST", "jobs/report/run?wait=60", "{}", ("Idempotency-Key", "once"));
        Assert.Equal((200, "succeeded", "more"), (once.Status, Text(once, "status"), Text(once, "lastLine")));
        Assert.Equal(Text(once, "_id"), Text(again, "_id"));
        var row = await SoonAsync("jobs?filter=label:team%3Dpay", page => page["jobs"]![0]!["last"] is not null);
        Assert.Equal(("well", "succeeded"), ((string?)row["jobs"]![0]!["state"], (string?)row["jobs"]![0]!["last"]!["ending"]));
        await SoonAsync("jobs/report/stats", page => (int?)page["endings"]!["succeeded"] == 1);
        var found = await GetAsync("runs?filter=label:team%3Dpay%20%22echo%20MORE%22&counts=hour");
        Assert.Equal(Text(once, "_id"), (string?)Assert.Single(found["runs"]!.AsArray())!["_id"]);
        Assert.Equal("two\nmore\n", await _http.GetStringAsync($"/api/v1/runs/{Text(once, "_id")}/output"));

        // A run that is killed in bulk keeps the reason, and its processes.
        await SendAsync("PUT", "jobs/stuck", """{"command":"sleep 4713","cronExpr":"0 0 1 1 *","labels":{"team":"it"}}""");
        await SendAsync("POST", "jobs/stuck/run", "{}");
        await SoonAsync("now", page => page["running"]!.AsArray().Any(run => (string?)run!["jobName"] == "stuck"));
        await Patience.Until(() => Processes.Running("sleep 4713").Count > 0, () => "it does not sleep yet");
        var meant = await SendAsync("POST", "jobs/kill?filter=label:team%3Dit&dryRun=true", "{}");
        Assert.Equal("stuck", (string?)Assert.Single(meant.Body["jobs"]!.AsArray())!["name"]);
        await SendAsync("POST", "jobs/kill?filter=label:team%3Dit", """{"reason":"the disk is full"}""");
        var killed = await SoonAsync("runs?filter=job:stuck", page => page["runs"]!.AsArray().Count == 1);
        Assert.Contains("the disk is full", (string?)killed["runs"]![0]!["err"]);
        var one = await GetAsync($"runs/{killed["runs"]![0]!["_id"]}");
        Assert.Contains("sleep 4713", one["record"]!["processes"]!.ToJsonString());

        // A planned fire is in the ledger, with its ending.
        await SendAsync("PUT", "jobs/tick", """{"command":"true","cronExpr":"* * * * * *"}""");
        await SoonAsync("jobs/tick/ledger", page => page["lines"]!.AsArray().Any(line => (string?)line!["ending"] == "succeeded"));

        // Versions: listed, compared, restored; also by the log store, to which they go within seconds.
        var versions = await GetAsync("jobs/report/versions");
        Assert.Equal(
            [second.Tag.Trim('"'), first.Tag.Trim('"')], versions["versions"]!.AsArray().Select(version => $"{version!["revision"]}"));
        var diff = await GetAsync($"jobs/report/versions/{first.Tag.Trim('"')}/diff");
        Assert.Equal("command", (string?)Assert.Single(diff["changes"]!.AsArray())!["member"]);
        await Patience.Until(() => VersionsInEtcdAsync().Result.Length == 0, _cluster.Describe);
        await SendAsync("DELETE", "jobs/report");
        Assert.Equal(200, (await SendAsync("POST", $"jobs/report/versions/{first.Tag.Trim('"')}/restore")).Status);
        Assert.Equal("echo one", (string?)(await GetAsync("jobs/report"))["command"]);

        // Crontab in, YAML out.
        var imported = await SendAsync("POST", "import", "0 4 * * * /bin/clean # nightly\n", type: "text/plain");
        Assert.Equal(1, (int)imported.Body["created"]!);
        var yaml = await _http.GetStringAsync("/api/v1/export?format=yaml");
        Assert.All(["clean", "report", "stuck", "tick"], name => Assert.Matches($"""name: "?{name}"?\n""", yaml));
        var applied = await SendAsync("POST", "apply?dryRun=true", yaml, type: "application/yaml");
        Assert.Equal((0, 0), ((int)applied.Body["created"]!, (int)applied.Body["changed"]!));
    }

    private static string? Text(Answer answer, string member) => (string?)answer.Body[member];

    private async Task<string> VersionsInEtcdAsync() =>
        (await _cluster.Etcd.RunCtlAsync("get", "--prefix", "--keys-only", "/cron/versions/report/")).Trim();

    private async Task<JsonNode> GetAsync(string path) => JsonNode.Parse(await _http.GetStringAsync($"/api/v1/{path}"))!;

    private async Task<JsonNode> SoonAsync(string path, Func<JsonNode, bool> isSo)
    {
        JsonNode? page = null;
        await Patience.Until(() => (page = TryGetAsync().Result) is not null && isSo(page), () => $"{path}: {page}\n{_cluster.Describe()}");
        return page!;

        async Task<JsonNode?> TryGetAsync() // Null: it is not there yet, or the master is still reading etcd.
        {
            using var answer = await _http.GetAsync($"/api/v1/{path}");
            return answer.IsSuccessStatusCode ? JsonNode.Parse(await answer.Content.ReadAsStringAsync()) : null;
        }
    }

    private async Task<Answer> SendAsync(
        string method, string path, string? body = null, (string Name, string Value)? header = null, string type = "application/json")
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), $"/api/v1/{path}");
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, type);
        if (header is var (name, value))
        {
            request.Headers.Add(name, value);
        }

        using var answer = await _http.SendAsync(request);
        var said = await answer.Content.ReadAsStringAsync();
        return new Answer((int)answer.StatusCode, answer.Headers.ETag?.Tag ?? "", JsonNode.Parse(said)!);
    }

    private sealed record Answer(int Status, string Tag, JsonNode Body);
}
