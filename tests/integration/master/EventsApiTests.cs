using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

public sealed class EventsApiTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    [Fact]
    public async Task Saving_changing_and_deleting_a_job_makes_events()
    {
        await using var events = await ListenAsync("job:told");
        await SaveAsync("told", "first");
        var saved = await events.SoonAsync("job", "changed");
        Assert.Equal(
            ("told", "at 00:00 on 1 January every year, UTC"),
            ((string?)saved.Data["job"]!["name"], (string?)saved.Data["job"]!["words"]));

        await SaveAsync("told", "second");
        await events.SoonAsync(heard => (string?)heard.Data["job"]?["description"] == "second");
        await master.Etcd.DeleteAsync(master.Keys.Job(JobName.Parse("told")));

        var gone = await events.SoonAsync("job", "gone");
        Assert.Equal("""{"change":"gone","jobName":"told","job":null}""", gone.Data.ToJsonString());
    }

    [Fact]
    public async Task A_run_makes_events_from_the_queue_to_its_record()
    {
        await SaveAsync("ran");
        await using var events = await ListenAsync("job:ran");
        await RowSoonAsync("ran", row => row["streak"] is not null);
        var run = new RunSpec(Some.Now, RunSpec.Manual, Some.Now, Origin: "manual-1");
        var name = JobName.Parse("ran");

        await master.Etcd.PutAsync(master.Keys.Queued(name, run.Id), JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec));
        var queued = await events.SoonAsync("run", "queued");
        Assert.Equal(("queued", 1), ((string?)queued.Data["row"]!["state"], (int?)queued.Data["row"]!["queued"]));

        var held = JsonSerializer.Serialize(new ClaimedRun("w1", "1", Some.Now, run), JobsJson.Readable.ClaimedRun);
        await master.Etcd.TxnAsync(Txn.All([Txn.Delete(master.Keys.Queued(name, run.Id)), Txn.Put(master.Keys.Run(name, run.Id), held)]));
        var started = await events.SoonAsync("run", "started");
        Assert.Equal(("running", "w1", "manual"), (
            (string?)started.Data["row"]!["state"], (string?)started.Data["run"]!["worker"], (string?)started.Data["run"]!["trigger"]));

        await master.Etcd.DeleteAsync(master.Keys.Run(name, run.Id));
        await master.LogStore.WriteAsync(
            [Some.Record(0, "ran", RunStatus.Failed) with { Id = $"ran/{run.Id}" }], CancellationToken.None);
        var ended = await events.SoonAsync("run", "ended");
        Assert.Equal((run.Id, 0), ((string?)ended.Data["runId"], (int?)ended.Data["row"]!["running"]));
        var recorded = await events.SoonAsync("run", "recorded");
        Assert.Equal(("failed", "failed", "failing", 1), (
            (string?)recorded.Data["ended"]!["ending"],
            (string?)recorded.Data["ending"]!["ending"],
            (string?)recorded.Data["row"]!["state"],
            (int?)recorded.Data["row"]!["streak"]));
    }

    [Fact]
    public async Task A_worker_that_joins_changes_or_leaves_makes_events()
    {
        await using var events = await ListenAsync("worker:told-1");
        await RegisterAsync("");
        await RegisterAsync("");
        await RegisterAsync("its clock is off");
        await events.SoonAsync("worker", "changed");
        await master.Etcd.DeleteAsync(master.Keys.Worker("told-1"));
        await events.SoonAsync("worker", "left");

        Assert.Equal(
            ["joined live", "changed refusing", "left left"],
            events.All.Where(heard => heard.Name == "worker").Select(heard => $"{heard.Data["change"]} {heard.Data["worker"]!["state"]}"));

        Task RegisterAsync(string refuses) => master.Etcd.PutAsync(
            master.Keys.Worker("told-1"),
            JsonSerializer.Serialize(
                new WorkerRegistration(
                    "h", "10.0.0.1", "1", new ProcessIdentity("b", 1, 1), 4, Some.Now, Clock: DateTimeOffset.UtcNow, Refuses: refuses),
                JobsJson.Readable.WorkerRegistration));
    }

    [Fact]
    public async Task A_listener_that_comes_back_resumes_or_is_told_that_it_cannot()
    {
        string id;
        await using (var first = await ListenAsync("job:resumed-1|resumed-2"))
        {
            await SaveAsync("resumed-1");
            id = (await first.SoonAsync("job", "changed")).Id;
        }

        await SaveAsync("resumed-2");
        await using var second = await EventListener.StartAsync(master.Http, "job:resumed-1|resumed-2", id);
        await second.SoonAsync(heard => (string?)heard.Data["job"]?["name"] == "resumed-2");
        Assert.All(second.All, heard => Assert.NotEqual("reset", heard.Name));
        Assert.All(second.All, heard => Assert.InRange(NumberOf(heard.Id), NumberOf(id) + 1, int.MaxValue)); // None of those it had.

        foreach (var other in new[] { "0badc0de-7", "nonsense", id.Split('-')[0] + "-999999999" })
        {
            await using var third = await EventListener.StartAsync(master.Http, "", other);
            await third.SoonAsync("reset");
            Assert.Equal("reset", third.All[0].Name);
        }
    }

    [Fact]
    public async Task A_listener_that_does_not_read_is_dropped_and_disturbs_no_other()
    {
        await using var others = await ListenAsync("job:last");
        using var slow = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await slow.ConnectAsync(IPAddress.Loopback, master.Http.BaseAddress!.Port);
        await slow.SendAsync(Encoding.ASCII.GetBytes("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        var text = new StringBuilder();
        await ReadUntilAsync("ready");

        var description = new string('x', 50_000);
        for (var batch = 0; batch < 40; batch++)
        {
            await master.Etcd.TxnAsync(Txn.All(Enumerable.Range(0, 20).Select(n => Put($"large-{n}", description))));
            await SaveAsync("last", $"{batch}");
            await others.SoonAsync(heard => (string?)heard.Data["job"]?["description"] == $"{batch}"); // It reads, and misses nothing.
        }

        await ReadUntilAsync("event: dropped");

        async Task ReadUntilAsync(string wanted)
        {
            var buffer = new byte[1 << 20];
            while (!text.ToString().Contains(wanted, StringComparison.Ordinal))
            {
                var read = await slow.ReceiveAsync(buffer).Soon(() => text.ToString(0, Math.Min(text.Length, 500)));
                Assert.True(read > 0, $"the stream ended without {wanted}");
                var tail = text.Length > 100 ? text.ToString(text.Length - 100, 100) : text.ToString();
                text.Clear().Append(tail).Append(Encoding.UTF8.GetString(buffer, 0, read));
            }
        }
    }

    [Fact]
    public async Task A_filter_by_a_state_that_changes_without_an_event_is_refused()
    {
        var answer = await master.Http.GetAsync("/api/v1/events?filter=state:failing");

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("which does not apply to events", await answer.Content.ReadAsStringAsync());
    }

    private static int NumberOf(string id) => int.Parse(id.Split('-')[1], CultureInfo.InvariantCulture);

    private static string JobOf(string name, string description) =>
        JobJson.ToJson(new Job(name, "true", "0 0 1 1 *", Description: description));

    private Etcdserverpb.RequestOp Put(string name, string description) =>
        Txn.Put(master.Keys.Job(JobName.Parse(name)), JobOf(name, description));

    /// <summary>A listener that is there for sure.</summary>
    private async Task<EventListener> ListenAsync(string filter)
    {
        var events = await EventListener.StartAsync(master.Http, filter);
        await events.SoonAsync("ready");
        return events;
    }

    private async Task SaveAsync(string name, string description = "") =>
        await master.Etcd.PutAsync(master.Keys.Job(JobName.Parse(name)), JobOf(name, description));

    private async Task RowSoonAsync(string name, Func<JsonNode, bool> fits)
    {
        for (var begun = Environment.TickCount64; ;)
        {
            var page = JsonNode.Parse(await master.Http.GetStringAsync($"/api/v1/jobs?filter=job:{name}"))!;
            if (page["jobs"]!.AsArray() is [{ } row] && fits(row))
            {
                return;
            }

            Assert.True(Environment.TickCount64 - begun < Patience.Limit.TotalMilliseconds, page.ToJsonString());
        }
    }
}
