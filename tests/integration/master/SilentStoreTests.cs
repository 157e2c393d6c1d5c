using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Master;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

public sealed class SilentStoreTests
{
    [Fact]
    public async Task Saves_and_their_history_do_not_wait_for_a_log_store_that_never_answers()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start(backlog: 1000);
        await using var master = new MasterProcess
        {
            Settings = ["--mongodbUri", $"mongodb://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}/?directConnection=true"],
        };
        await master.InitializeAsync();

        var first = await PutAsync("one", "*");
        await PutAsync("two", first.Headers.ETag!.Tag);
        var refusal = "";
        await Patience.Until(
            async () =>
            {
                var stale = await PutAsync("three", first.Headers.ETag!.Tag);
                Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
                refusal = await stale.Content.ReadAsStringAsync();
                return refusal.Contains("in command (by local from 127.0.0.1 at ", StringComparison.Ordinal); // If found within a second.
            },
            () => refusal);

        Assert.Equal(2, (await master.Etcd.ListAsync(master.Keys.AllVersions)).Count);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await master.Http.GetAsync("/api/v1/jobs/hello/versions")).StatusCode);

        async Task<HttpResponseMessage> PutAsync(string command, string match)
        {
            using var request = new HttpRequestMessage(HttpMethod.Put, "/api/v1/jobs/hello");
            var job = $$"""{"command":"{{command}}","cronExpr":"0 3 * * *"}""";
            request.Content = new StringContent(job, Encoding.UTF8, "application/json");
            request.Headers.Add(match == "*" ? "If-None-Match" : "If-Match", match);
            return await master.Http.SendAsync(request);
        }
    }

    [Fact]
    public async Task A_run_in_flight_is_shown_while_the_log_store_is_away_and_one_that_etcd_does_not_have_is_not()
    {
        await using var master = new MasterProcess
        {
            Settings = ["--mongodbUri", "mongodb://127.0.0.1:1/?directConnection=true", "--mongodbConnectTimeout", "200"],
        };
        await master.InitializeAsync();
        var (name, run) = (JobName.Parse("hello"), RunSpec.Scheduled(Some.Now));
        await master.Etcd.PutAsync(master.Keys.Job(name), JobJson.ToJson(Some.Job("hello")));
        await master.Etcd.PutAsync(
            master.Keys.Run(name, run.Id),
            JsonSerializer.Serialize(new ClaimedRun("w1", "1", Some.Now, run), JobsJson.Readable.ClaimedRun));

        using var answer = await master.Http.GetAsync($"/api/v1/runs/hello/{run.Id}");
        using var other = await master.Http.GetAsync($"/api/v1/runs/hello/{RunId.Of(Some.Now.AddMinutes(1))}");

        var shown = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal((HttpStatusCode.OK, "running"), (answer.StatusCode, (string?)shown["state"]));
        Assert.Equal([run.Id], shown["attempts"]!.AsArray().Select(attempt => (string?)attempt!["runId"]));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, other.StatusCode);
    }

    [Fact]
    public async Task A_log_store_that_never_answers_costs_few_threads_and_callers_get_an_error()
    {
        const int requests = 200;
        using var silent = new TcpListener(IPAddress.Loopback, 0); // The kernel accepts connections, but nobody reads.
        silent.Start(backlog: 1000);
        await using var master = new MasterProcess
        {
            Settings = ["--mongodbUri", $"mongodb://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}/?directConnection=true"],
        };
        await master.InitializeAsync();
        await AskAsync(); // What the first request loads, those that are measured have.
        var before = Threads();
        var most = before;

        var asked = Enumerable.Range(0, requests).Select(_ => AskAsync()).ToList();
        await Patience.Until(
            () =>
            {
                most = Math.Max(most, Threads());
                Assert.Equal("""{"errno":0,"msg":"success","data":[]}""", master.Http.GetStringAsync("/job/list").GetAwaiter().GetResult());
                return asked.All(request => request.IsCompleted);
            },
            master.Said);

        Assert.InRange(most, before, before + StoreGate.AtOnce + 16);
        Assert.All(asked.Select(request => request.Result), answer =>
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.Status);
            Assert.Matches(
                """^\{"type":"urn:dts:(log-unavailable",.*"detail":"(log store is too slow|MongoDB at ).*; runs go on"""
                    + """|unavailable",.*"detail":"no answer in .* s)[,;] try again"\}$""",
                answer.Text);
        });

        int Threads() => Directory.GetDirectories($"/proc/{master.Pid}/task").Length;

        async Task<(HttpStatusCode Status, string Text)> AskAsync()
        {
            using var answer = await master.Http.GetAsync("/api/v1/runs");
            return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }
    }
}
