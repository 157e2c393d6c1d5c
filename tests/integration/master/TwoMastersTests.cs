using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Two masters change one job at the same time.</summary>
/// <remarks>The versions of the job are the witness: each names the save before it and the members that it changed.</remarks>
public sealed class TwoMastersTests : IAsyncLifetime
{
    private const int Edits = 10; // A job keeps a hundred versions.
    private const string Url = "/api/v1/jobs/shared";

    // By the revision that each answered. One that changed nothing answers the revision of another.
    private readonly ConcurrentDictionary<long, ConcurrentBag<Write>> _writes = [];
    private readonly MasterProcess _one = new();
    private MasterProcess _other = null!;
    private long _first;

    public async ValueTask InitializeAsync()
    {
        await _one.InitializeAsync();
        _other = new MasterProcess { Beside = _one };
        await _other.InitializeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _other.DisposeAsync();
        await _one.DisposeAsync();
    }

    [Fact]
    public async Task Clients_of_two_masters_that_edit_one_job_at_once_lose_no_update()
    {
        (_, _first, _) = await SendAsync(_one, HttpMethod.Put, Url, """{"command":"a","cronExpr":"0 3 * * *","env":{"N":"0"}}""");
        await Patience.Until(() => ShowsJob(_one) && ShowsJob(_other), _other.Said);

        await Task.WhenAll(
            PutAsync(_one, "ONE"),
            PutAsync(_other, "OTHER"),
            PatchAsync(),
            PauseAsync(),
            PauseInBulkAsync(),
            ApplyAsync(),
            RestoreAsync());

        var versions = await ListVersionsAsync();
        Assert.Subset(versions.Select(version => (long)version["revision"]!).ToHashSet(), _writes.Keys.ToHashSet());
        foreach (var (version, before) in versions.Zip(versions.Skip(1)))
        {
            var (revision, seen) = ((long)version["revision"]!, (long)before["revision"]!);
            var changed = version["changed"]!.AsArray().Select(member => (string)member!).ToList();
            Assert.True(
                _writes.GetValueOrDefault(revision)?.Any(write => write.Explains(seen, changed)) == true
                    || await IsOtherAsync(revision, changed),
                $"after {seen}, {revision} changed {string.Join(", ", changed)}: "
                    + string.Join("; ", _writes.GetValueOrDefault(revision) ?? []));
        }

        static bool ShowsJob(MasterProcess master) =>
            (int?)JsonNode.Parse(master.Http.GetStringAsync("/api/v1/jobs?filter=job:shared").Result)!["total"] == 1;
    }

    /// <summary>A pause in bulk, or a set, whose answers have no revision.</summary>
    private async Task<bool> IsOtherAsync(long revision, IReadOnlyList<string> changed)
    {
        if (changed is ["enabled"])
        {
            return true;
        }

        var (_, _, version) = await SendAsync(_one, HttpMethod.Get, $"{Url}/versions/{revision}");
        var job = version["job"]!;
        return ((string)job["command"]!).StartsWith("applied ", StringComparison.Ordinal)
            && job["env"]!.ToJsonString() == """{"N":"0"}"""
            && ((bool)job["enabled"]!, (int)job["timeoutSeconds"]!) == (true, 0);
    }

    /// <summary>Reads the job, adds one to what both clients share and to what is its own, and saves it with If-Match.</summary>
    private async Task PutAsync(MasterProcess master, string client)
    {
        for (var done = 0; done < Edits;)
        {
            var (_, revision, seen) = await SendAsync(master, HttpMethod.Get, Url);
            var env = seen["env"]!.AsObject();
            env["N"] = $"{int.Parse((string)env["N"]!, CultureInfo.InvariantCulture) + 1}";
            env[client] = $"{int.Parse((string?)env[client] ?? "0", CultureInfo.InvariantCulture) + 1}";
            var (status, saved, _) = await SendAsync(master, HttpMethod.Put, Url, seen.ToJsonString(), revision);
            Assert.Contains(status, new[] { HttpStatusCode.OK, HttpStatusCode.PreconditionFailed });
            if (status == HttpStatusCode.OK)
            {
                done++;
                Note(saved, new Write("PUT", revision, ["env.N", $"env.{client}"]));
            }
        }
    }

    private async Task PatchAsync()
    {
        for (var n = 1; n <= Edits; n++)
        {
            var (status, saved) = await InsistAsync(MasterOf(n), HttpMethod.Patch, Url, $$"""{"timeoutSeconds":{{n}}}""");
            Assert.Equal(HttpStatusCode.OK, status);
            Note(saved, new Write("PATCH", null, ["timeoutSeconds"]));
        }
    }

    private async Task PauseAsync()
    {
        for (var n = 1; n <= Edits; n++)
        {
            var (status, saved) = await InsistAsync(MasterOf(n), HttpMethod.Post, $"{Url}/{(n % 2 == 0 ? "resume" : "pause")}");
            Assert.Equal(HttpStatusCode.OK, status);
            Note(saved, new Write("pause", null, ["enabled"]));
        }
    }

    private async Task PauseInBulkAsync()
    {
        for (var n = 1; n <= Edits;)
        {
            var act = n % 2 == 0 ? "pause" : "resume";
            var (status, _, answer) = await SendAsync(MasterOf(n), HttpMethod.Post, $"/api/v1/jobs/{act}?filter=job:shared");
            Assert.Equal(HttpStatusCode.OK, status);
            var row = answer["jobs"]![0]!;
            if ((string?)row["outcome"] == $"not {act}d")
            {
                Assert.Contains("etcd did not answer in time", (string?)row["error"], StringComparison.Ordinal);
                continue; // Others were faster for five seconds.
            }

            Assert.Equal($"{act}d", (string?)row["outcome"]);
            n++;
        }
    }

    /// <summary>A set says the whole job; what it does not say goes back to its default.</summary>
    private async Task ApplyAsync()
    {
        for (var n = 1; n <= Edits / 2;)
        {
            var job = $$$"""[{"name":"shared","command":"applied {{{n}}}","cronExpr":"0 3 * * *","env":{"N":"0"}}]""";
            var (status, _, answer) = await SendAsync(MasterOf(n), HttpMethod.Post, "/api/v1/apply", job);
            if (status == HttpStatusCode.ServiceUnavailable)
            {
                Assert.Contains("jobs were changed by others 5 times", (string?)answer["detail"], StringComparison.Ordinal);
                continue; // Others were faster five times: it has changed nothing.
            }

            Assert.Equal(HttpStatusCode.OK, status);
            n++;
        }
    }

    /// <summary>Restores the oldest version with the revision that it has seen.</summary>
    private async Task RestoreAsync()
    {
        for (var done = 0; done < Edits / 2;)
        {
            var (_, revision, _) = await SendAsync(MasterOf(done), HttpMethod.Get, Url);
            var (status, saved, answer) = await SendAsync(
                MasterOf(done), HttpMethod.Post, $"{Url}/versions/{_first}/restore", ifMatch: revision);
            Assert.True(status is HttpStatusCode.OK or HttpStatusCode.PreconditionFailed, answer.ToJsonString());
            if (status == HttpStatusCode.OK)
            {
                done++;
                Note(saved, new Write("restore", revision, null));
            }
        }
    }

    /// <summary>Repeats a change while others are faster than the master twenty times.</summary>
    private static async Task<(HttpStatusCode Status, long Revision)> InsistAsync(
        MasterProcess master, HttpMethod method, string path, string? body = null)
    {
        while (true)
        {
            var (status, revision, answer) = await SendAsync(master, method, path, body);
            if (status != HttpStatusCode.Conflict)
            {
                return (status, revision);
            }

            Assert.Contains("was changed by others 20 times", (string?)answer["detail"], StringComparison.Ordinal);
        }
    }

    private MasterProcess MasterOf(int n) => n % 2 == 0 ? _one : _other;

    private void Note(long revision, Write write) => _writes.GetOrAdd(revision, _ => []).Add(write);

    private async Task<List<JsonNode>> ListVersionsAsync()
    {
        var (_, _, page) = await SendAsync(_other, HttpMethod.Get, $"{Url}/versions?limit=100");
        Assert.Null(page["next"]);
        return [.. page["versions"]!.AsArray().Select(version => version!)];
    }

    /// <returns>With the revision that the answer's ETag has; 0 = it has none.</returns>
    private static async Task<(HttpStatusCode Status, long Revision, JsonNode Body)> SendAsync(
        MasterProcess master, HttpMethod method, string path, string? body = null, long? ifMatch = null)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        if (ifMatch is { } seen)
        {
            request.Headers.IfMatch.ParseAdd($"\"{seen}\"");
        }

        using var answer = await master.Http.SendAsync(request);
        var made = answer.Headers.ETag?.Tag.Trim('"');
        return (
            answer.StatusCode,
            made is null ? 0 : long.Parse(made, CultureInfo.InvariantCulture),
            JsonNode.Parse(await answer.Content.ReadAsStringAsync())!);
    }

    /// <param name="Seen">The revision that the client has seen; null = it asked for no condition.</param>
    /// <param name="Members">What it changes; null = anything.</param>
    private sealed record Write(string What, long? Seen, string[]? Members)
    {
        public bool Explains(long before, IReadOnlyList<string> changed) =>
            (Seen is null || Seen == before) && (Members is null || changed.All(Members.Contains));
    }
}
