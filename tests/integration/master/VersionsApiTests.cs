using System.Net;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>The history of a job over HTTP, from a master with a token.</summary>
public sealed class VersionsApiTests : IAsyncLifetime
{
    private const string Token = "0123456789abcdef";

    private readonly MasterProcess _master = new() { Settings = ["--apiToken", Token] };

    public async ValueTask InitializeAsync()
    {
        await _master.InitializeAsync();
        _master.Http.DefaultRequestHeaders.Authorization = new("Bearer", Token);
    }

    public ValueTask DisposeAsync() => _master.DisposeAsync();

    [Fact]
    public async Task The_history_of_a_job_says_who_changed_what_when_and_from_where_also_after_its_deletion()
    {
        var begun = DateTimeOffset.UtcNow;
        await SaveAsync("hello", "echo one");
        await SaveAsync("hello", "echo two", from: "203.0.113.9, 198.51.100.7");
        await PostAsync("/api/v1/jobs/hello/pause");
        (await _master.Http.DeleteAsync("/api/v1/jobs/hello")).EnsureSuccessStatusCode();

        var page = (await GetAsync("/api/v1/jobs/hello/versions"))!;
        var versions = page["versions"]!.AsArray();

        Assert.Equal(
            [("deleted", ""), ("paused", "enabled"), ("changed", "command"), ("created", "")],
            versions.Select(version => ((string)version!["what"]!, string.Join(", ", version["changed"]!.AsArray()))));
        Assert.Equal(["127.0.0.1", "127.0.0.1", "198.51.100.7", "127.0.0.1"], versions.Select(version => (string)version!["from"]!));
        Assert.All(versions, version => Assert.Equal("token", (string)version!["by"]!));
        Assert.All(versions, version => Assert.InRange((DateTimeOffset)version!["at"]!, begun, DateTimeOffset.UtcNow));
        Assert.Null(page["next"]);
    }

    [Fact]
    public async Task Versions_are_there_page_by_page_before_and_after_they_have_moved_to_the_log_store()
    {
        foreach (var n in Enumerable.Range(0, 3))
        {
            await SaveAsync("paged", $"echo {n}");
        }

        var waiting = await RevisionsAsync();
        Assert.Equal(3, (await _master.Etcd.ListAsync(_master.Keys.VersionsOf(JobName.Parse("paged")))).Count);
        await _master.LogStore.WriteAsync([Some.Record(0)], CancellationToken.None); // As a worker makes the file.
        await Patience.Until(
            () => _master.Etcd.ListAsync(_master.Keys.VersionsOf(JobName.Parse("paged"))).Result.Count == 0, _master.Said);

        Assert.Equal(waiting, await RevisionsAsync());
        Assert.DoesNotContain("versions of jobs cannot be written", _master.Said());

        async Task<List<long>> RevisionsAsync()
        {
            List<long> revisions = [];
            for (var after = ""; ;)
            {
                var page = await GetAsync($"/api/v1/jobs/paged/versions?limit=2&after={after}");
                revisions.AddRange(page!["versions"]!.AsArray().Select(version => (long)version!["revision"]!));
                if ((string?)page["next"] is not { } next)
                {
                    return revisions;
                }

                after = next;
            }
        }
    }

    [Fact]
    public async Task A_version_is_shown_compared_and_restored_also_after_the_job_was_deleted()
    {
        await SaveAsync("kept", "echo one");
        await SaveAsync("kept", "echo two");
        var (second, first) = await LatestTwoAsync("kept");

        Assert.Equal("echo one", (string?)(await GetAsync($"/api/v1/jobs/kept/versions/{first}"))!["job"]!["command"]);
        const string change = """[{"member":"command","was":"echo one","is":"echo two"}]""";
        Assert.Equal(change, (await GetAsync($"/api/v1/jobs/kept/versions/{first}/diff"))!["changes"]!.ToJsonString());
        Assert.Equal(change, (await GetAsync($"/api/v1/jobs/kept/versions/{first}/diff?to={second}"))!["changes"]!.ToJsonString());

        await StaleAsync($"/api/v1/jobs/kept/versions/{first}/restore", first, "has changed since revision");
        (await _master.Http.DeleteAsync("/api/v1/jobs/kept")).EnsureSuccessStatusCode();
        await StaleAsync($"/api/v1/jobs/kept/versions/{first}/restore", second, "was deleted (by token from 127.0.0.1 at ");
        await PostAsync($"/api/v1/jobs/kept/versions/{first}/restore?dryRun=true");
        Assert.Null(await _master.Etcd.FindAsync(_master.Keys.Job(JobName.Parse("kept"))));
        var restored = await PostAsync($"/api/v1/jobs/kept/versions/{first}/restore");

        var answer = JsonNode.Parse(await restored.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        Assert.Equal(("echo one", 5), ((string?)answer["job"]!["command"], answer["next"]!.AsArray().Count));
        var job = await _master.Etcd.FindAsync(_master.Keys.Job(JobName.Parse("kept")));
        Assert.Contains("echo one", job!.Value.ToStringUtf8());
        var (latest, deletion) = await LatestTwoAsync("kept");
        Assert.Equal((job.ModRevision, $"\"{latest}\""), (latest, restored.Headers.ETag!.Tag));
        Assert.Null((await GetAsync($"/api/v1/jobs/kept/versions/{deletion}"))!["job"]);
        await RefusedAsync(
            HttpMethod.Post,
            $"/api/v1/jobs/kept/versions/{deletion}/restore",
            422,
            $"revision {deletion} is the job's deletion; expected a version with a definition");
    }

    [Theory]
    [InlineData("GET",  "/api/v1/jobs/nobody/versions",          404, "name \"nobody\" has no versions; "
        + "expected a job that is or was saved")]
    [InlineData("GET",  "/api/v1/jobs/nobody/versions/7",        404, "revision 7 is not a version of job \"nobody\"; "
        + "expected one that its list of versions has")]
    [InlineData("GET",  "/api/v1/jobs/nobody/versions/x",        400, "revision is \"x\"; expected the revision of a version")]
    [InlineData("GET",  "/api/v1/jobs/nobody/versions?limit=0",  400, "limit is \"0\"; expected a whole number from 1 to 100")]
    [InlineData("GET",  "/api/v1/jobs/nobody/versions?after=x",  400, "after is \"x\"; expected the \"next\" of the page before")]
    [InlineData("POST", "/api/v1/jobs/nobody/versions/7/restore", 404, "revision 7 is not a version of job \"nobody\"; "
        + "expected one that its list of versions has")]
    public Task What_cannot_be_answered_says_why(string method, string path, int status, string detail) =>
        RefusedAsync(new HttpMethod(method), path, status, detail);

    private async Task StaleAsync(string path, long seen, string part)
    {
        var detail = "";
        await Patience.Until(
            async () =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, path);
                request.Headers.Add("If-Match", $"\"{seen}\"");
                var answer = await _master.Http.SendAsync(request);
                Assert.Equal(412, (int)answer.StatusCode);
                detail = (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["detail"]!;
                return detail.Contains(part, StringComparison.Ordinal); // The author is named if found within a second.
            },
            () => detail);
    }

    private async Task RefusedAsync(HttpMethod method, string path, int status, string detail)
    {
        using var request = new HttpRequestMessage(method, path);
        var answer = await _master.Http.SendAsync(request);
        var problem = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;

        Assert.Equal((status, detail), ((int)answer.StatusCode, (string?)problem["detail"]));
    }

    private async Task<(long, long)> LatestTwoAsync(string name)
    {
        var versions = (await GetAsync($"/api/v1/jobs/{name}/versions?limit=2"))!["versions"]!;
        return ((long)versions[0]!["revision"]!, (long)versions[1]!["revision"]!);
    }

    private async Task SaveAsync(string name, string command, string? from = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/job/save");
        var job = new JsonObject { ["name"] = name, ["command"] = command, ["cronExpr"] = "0 0 1 1 *" };
        request.Content = new FormUrlEncodedContent([new("job", job.ToJsonString())]);
        if (from is not null)
        {
            request.Headers.Add("X-Forwarded-For", from);
        }

        var answer = await _master.Http.SendAsync(request);
        Assert.Contains("\"errno\":0", await answer.Content.ReadAsStringAsync());
    }

    private async Task<HttpResponseMessage> PostAsync(string path)
    {
        var answer = await _master.Http.PostAsync(path, null);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        return answer;
    }

    private async Task<JsonNode?> GetAsync(string path) => JsonNode.Parse(await _master.Http.GetStringAsync(path));
}
