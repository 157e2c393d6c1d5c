using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>The list of runs, and one run in each of its states.</summary>
public sealed class RunsApiTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private readonly string _job = $"job-{Guid.NewGuid():N}";

    private JobName Name => JobName.Parse(_job);

    [Fact]
    public async Task A_list_has_last_lines_and_outputs_only_if_they_are_asked_for()
    {
        await WriteAsync(
            Some.Record(0, _job, output: "one\ntwo\n") with { OutputBytes = 8, LastLine = "two" },
            Some.Record(1, _job, RunStatus.Failed, "bad\n") with { OutputBytes = 4 });

        var plain = await GetAsync($"/api/v1/runs?filter=job:{_job}");
        var whole = await GetAsync($"/api/v1/runs?filter=job:{_job}&output=true");
        var failed = await GetAsync($"/api/v1/runs?filter=job:{_job}%20ending:failed");
        var earlier = await GetAsync($"/api/v1/runs?filter=job:{_job}&to=2026-11-22T10:01:00Z");

        Assert.Equal([("", "bad"), ("", "two")], Outputs(plain));
        Assert.Equal([("bad\n", "bad"), ("one\ntwo\n", "two")], Outputs(whole));
        Assert.Equal([("", "bad")], Outputs(failed));
        Assert.Equal([("", "two")], Outputs(earlier));

        static IEnumerable<(string?, string?)> Outputs(JsonNode page) =>
            page["runs"]!.AsArray().Select(run => ((string?)run!["output"], (string?)run["lastLine"]));
    }

    [Fact]
    public async Task Pages_follow_each_other()
    {
        await WriteAsync([.. Enumerable.Range(0, 5).Select(n => Some.Record(n, _job))]);

        var first = await GetAsync($"/api/v1/runs?filter=job:{_job}&limit=3");
        var second = await GetAsync($"/api/v1/runs?filter=job:{_job}&limit=3&after={first["next"]}");

        Assert.Equal(
            Enumerable.Range(0, 5).Reverse().Select(n => Some.Record(n, _job).Id),
            first["runs"]!.AsArray().Concat(second["runs"]!.AsArray()).Select(run => (string?)run!["_id"]));
        Assert.Null(second["next"]);
    }

    [Fact]
    public async Task A_search_with_few_matches_reads_2_000_records_for_a_page_and_says_how_far_it_got()
    {
        const int oldest = -600_000; // A year before the records of other tests, whose searches would have to pass them.
        await WriteAsync(
            [
                Some.Record(oldest, _job) with { Err = "the oldest" },
                .. Enumerable.Range(oldest + 1, 4000).Select(n => Some.Record(n, _job)),
            ]);

        List<string> found = [], reached = [];
        var pages = 0;
        for (var next = (string?)""; next is not null; pages++)
        {
            var page = await GetAsync($"/api/v1/runs?filter=job:{_job}%20oldest{(next.Length > 0 ? $"&after={next}" : "")}");
            found.AddRange(page["runs"]!.AsArray().Select(run => (string)run!["_id"]!));
            if ((string?)page["searchedTo"] is { } time)
            {
                reached.Add(time);
            }

            next = (string?)page["next"];
        }

        Assert.Equal([Some.Record(oldest, _job).Id], found);
        Assert.Equal(
            Some.Record(oldest + 2000, _job).StartTime,
            DateTimeOffset.Parse(Assert.Single(reached), CultureInfo.InvariantCulture).ToUnixTimeMilliseconds());
        Assert.Equal(2, pages);
    }

    [Fact]
    public async Task Runs_are_counted_over_time_by_ending()
    {
        await WriteAsync(
            [.. Enumerable.Range(0, 20).Select(n => Some.Record(n, _job, n % 10 == 9 ? RunStatus.Failed : RunStatus.Succeeded))]);

        var counts = (await GetAsync(
            $"/api/v1/runs?filter=job:{_job}&from=2026-11-22&to=2026-11-23&limit=0&counts=quarter"))["counts"]!;

        Assert.Equal(900, (int)counts["stepSeconds"]!);
        Assert.Equal(20, (int)counts["total"]!);
        Assert.StartsWith("2026-11-22T00:00:00", (string?)counts["since"]);
        Assert.Equal(
            ["""10:00 {"succeeded":14,"failed":1}""", """10:15 {"succeeded":4,"failed":1}"""],
            counts["times"]!.AsArray().Select(time => $"{((string)time!["at"]!)[11..16]} {time["endings"]!.ToJsonString()}"));
    }

    [Theory]
    [InlineData("filter=state:failing",             "filter has \"state:failing\", which does not apply to runs that have not ended; "
        + "expected state:running, state:queued, job:, worker:, trigger:, label:, user: or a text")]
    [InlineData("filter=next:none",                 "filter has \"next:none\", which does not apply to runs: "
        + "only jobs have it")]
    [InlineData("counts=week",                      "counts is \"week\"; expected one of minute, quarter, hour, day")]
    [InlineData("counts=minute&from=2026-01-01",    "counts is \"minute\"; expected a span, from to to, of at most 2000 times")]
    [InlineData("filter=state:queued&counts=day",   "counts is \"day\"; expected none beside state:running or state:queued, "
        + "which ask for runs that have not ended")]
    [InlineData("filter=state:running&to=2026",     "to is \"2026\"; expected none beside state:running or state:queued, "
        + "which ask for runs that have not ended")]
    [InlineData("filter=state:running&after=x",     "after is \"x\"; expected the \"next\" of the page before")]
    [InlineData("output=perhaps",                   "output is \"perhaps\"; expected true or false")]
    public async Task A_filter_that_does_not_apply_to_runs_is_refused_with_the_reason(string query, string detail)
    {
        using var answer = await master.Http.GetAsync($"/api/v1/runs?{query}");

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal(detail, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["detail"]);
    }

    [Fact]
    public async Task Runs_that_have_not_ended_are_listed_if_the_filter_asks_for_them_and_their_variables_are_not_shown()
    {
        var (running, queued) = (RunSpec.Scheduled(Some.Now), RunSpec.Scheduled(Some.Now.AddMinutes(1)) with
        {
            Trigger = RunSpec.Manual, Origin = "manual-1", Env = new Dictionary<string, string> { ["PASSWORD"] = "secret" },
        });
        await ClaimAsync(running);
        await QueueAsync(queued);

        JsonNode? both = null;
        await Patience.Until(
            () =>
            {
                using var answer = master.Http.GetAsync($"/api/v1/runs?filter=state:running|queued%20job:{_job}").Result;
                both = JsonNode.Parse(answer.Content.ReadAsStringAsync().Result)!;
                return both["unended"] is JsonArray { Count: 2 };
            },
            () => $"{both}");
        var one = await GetAsync($"/api/v1/runs?filter=-state:running%20trigger:manual%20{_job}");

        Assert.Equal(
            [($"{running.Id}", "running", "w1"), ($"{queued.Id}", "queued", "")],
            both!["unended"]!.AsArray().Select(run => ((string)run!["runId"]!, (string)run["state"]!, (string)run["worker"]!)));
        Assert.Equal([queued.Id], one["unended"]!.AsArray().Select(run => (string?)run!["runId"]));
        Assert.DoesNotContain("secret", both.ToJsonString(), StringComparison.Ordinal);
        Assert.Empty(both["runs"]!.AsArray());
    }

    [Fact]
    public async Task Runs_are_found_by_the_words_of_a_list_of_jobs()
    {
        var (pay, other) = ($"{_job}-pay", $"{_job}-other");
        await master.Etcd.PutAsync(
            master.Keys.Job(JobName.Parse(pay)),
            JobJson.ToJson(Some.Job(pay) with { Labels = new Dictionary<string, string> { ["team"] = _job }, User = "deploy" }));
        await master.Etcd.PutAsync(master.Keys.Job(JobName.Parse(other)), JobJson.ToJson(Some.Job(other)));
        await WriteAsync(
            Some.Record(0, pay), Some.Record(1, pay, RunStatus.Failed), Some.Record(2, other, RunStatus.Lost), Some.Record(3, other));
        await QueueAsync(RunSpec.Scheduled(Some.Now.AddMinutes(1)), pay);
        await QueueAsync(RunSpec.Scheduled(Some.Now.AddMinutes(2)), other);
        await Patience.Until(
            () => GetAsync($"/api/v1/runs?filter=state:queued%20{_job}").Result["unended"] is JsonArray { Count: 2 }, master.Said);
        await Patience.Until(() => GetAsync($"/api/v1/jobs?filter={_job}").Result["jobs"] is JsonArray { Count: 2 }, master.Said);

        Assert.Equal(["pay 1", "pay 0"], await FoundAsync($"label:team={_job}"));
        Assert.Equal(["other 3", "other 2"], await FoundAsync($"-label:team={_job} {_job}"));
        Assert.Equal(["pay 1", "pay 0"], await FoundAsync($"{_job} user:deploy"));
        Assert.Equal(["other 2", "pay 1"], await FoundAsync($"{_job} ending:failed|lost"));
        Assert.Equal(["other 2"], await FoundAsync($"job:{pay}|{other} -ending:succeeded -job:{pay}"));
        Assert.Equal([pay], await UnendedAsync($"state:queued label:team={_job}"));
        Assert.Equal([other], await UnendedAsync($"state:queued {_job} -user:deploy"));

        async Task<IEnumerable<string>> FoundAsync(string filter) =>
            (await GetAsync($"/api/v1/runs?filter={Uri.EscapeDataString(filter)}"))["runs"]!.AsArray().Select(run =>
                $"{((string)run!["jobName"]!)[(_job.Length + 1)..]} {((long)run["planTime"]! - Ms(Some.Now)) / 60_000}");

        async Task<IEnumerable<string?>> UnendedAsync(string filter) =>
            (await GetAsync($"/api/v1/runs?filter={Uri.EscapeDataString(filter)}"))["unended"]!.AsArray()
                .Select(run => (string?)run!["jobName"]);
    }

    [Fact]
    public async Task Runs_that_have_not_ended_come_page_by_page()
    {
        var runs = Enumerable.Range(0, 7).Select(n => RunSpec.Scheduled(Some.Now.AddMinutes(n / 2 * 2).AddSeconds(n % 2))).ToList();
        for (var n = 0; n < runs.Count; n++)
        {
            await (n < 4 ? ClaimAsync(runs[n]) : QueueAsync(runs[n]));
        }

        var url = $"/api/v1/runs?filter=state:running|queued%20job:{_job}";
        await Patience.Until(
            () =>
            {
                using var answer = master.Http.GetAsync(url).Result;
                return JsonNode.Parse(answer.Content.ReadAsStringAsync().Result)!["unended"] is JsonArray { Count: 7 };
            },
            master.Said);
        List<string> found = [];
        for (var after = ""; after is not null;)
        {
            var page = await GetAsync($"{url}&limit=2{(after.Length > 0 ? $"&after={after}" : "")}");
            found.AddRange(page["unended"]!.AsArray().Select(run => (string)run!["runId"]!));
            after = (string?)page["next"];
        }

        Assert.Equal(new[] { 3, 2, 1, 0, 6, 5, 4 }.Select(n => runs[n].Id), found);
    }

    [Fact]
    public async Task One_run_has_one_address_from_the_queue_to_its_end()
    {
        await master.Etcd.PutAsync(master.Keys.Job(Name), JobJson.ToJson(Some.Job(_job) with { TimeoutSeconds = 60 }));
        var spec = RunSpec.Scheduled(Some.Now);
        var url = $"/api/v1/runs/{_job}/{spec.Id}";

        Assert.Equal(HttpStatusCode.NotFound, (await master.Http.GetAsync(url)).StatusCode);
        await QueueAsync(spec);
        var queued = await GetAsync(url);
        await ClaimAsync(spec);
        await master.Etcd.DeleteAsync(master.Keys.Queued(Name, spec.Id));
        var running = await GetAsync(url);
        await WriteAsync(Some.Record(0, _job) with { StartTime = Ms(Some.Now) + 3, EndTime = Ms(Some.Now) + 1003, OutputBytes = 6 });
        var ended = await GetAsync(url); // Its key is still there, as just after the end.
        await master.Etcd.DeleteAsync(master.Keys.Run(Name, spec.Id));
        var settled = await GetAsync($"{url}?output=true");

        Assert.Equal(
            ["queued", "running", "ended", "ended"],
            new[] { queued, running, ended, settled }.Select(run => (string?)run["state"]));
        Assert.Null(running["ending"]);
        Assert.Equal((60_000, 1000), ((int)running["timeline"]!["timeoutMs"]!, (int)running["timeline"]!["aheadMs"]!));
        Assert.Equal(
            """{"aheadMs":1000,"lagMs":3,"durationMs":1000}""",
            Only(settled["timeline"]!, "aheadMs", "lagMs", "durationMs"));
        Assert.Equal(("succeeded", "hello\n"), ((string?)settled["ending"], (string?)settled["record"]!["output"]));
        Assert.Equal(("", "hello"), ((string?)ended["record"]!["output"], (string?)ended["record"]!["lastLine"]));
        Assert.Equal([spec.Id], settled["attempts"]!.AsArray().Select(run => (string?)run!["runId"]));
    }

    [Fact]
    public async Task A_run_links_to_its_attempts_to_what_led_to_it_and_to_what_it_led_to()
    {
        var (next, other) = ($"{_job}-next", $"{_job}-other");
        await master.Etcd.PutAsync(master.Keys.Job(Name), JobJson.ToJson(Some.Job(_job) with { Then = [next], Always = [other] }));
        var revision = (await master.Etcd.FindAsync(master.Keys.Job(Name)))!.ModRevision;
        await master.Etcd.PutAsync(master.Keys.Job(Name), JobJson.ToJson(Some.Job(_job))); // It has no dependents any more.
        var first = Some.Record(0, _job, RunStatus.Failed) with { Cause = "before/20261122T100000Z" };
        var again = Some.Record(0, _job) with
        {
            Id = $"{_job}/{RunId.Of(Some.Now, attempt: 2)}",
            Attempt = 2,
            Trigger = RunSpec.Retry,
            Cause = "before/20261122T100000Z",
            JobRevision = revision,
        };
        var dependent = RunSpec.Scheduled(Some.Now) with
        {
            Trigger = RunSpec.Dependent, Origin = RunId.OriginAfter(again.Id), Cause = again.Id,
        };
        await WriteAsync(
            first,
            again,
            Some.Record(0, _job) with { Id = $"{_job}/{RunId.Of(Some.Now, "manual-1a2b")}", Trigger = RunSpec.Manual },
            Some.Record(0, next) with { Id = $"{next}/{dependent.Id}", Trigger = RunSpec.Dependent, Cause = again.Id });
        await QueueAsync(dependent, other);

        var run = await GetAsync($"/api/v1/runs/{again.Id}");
        var led = await GetAsync((string)run["triggered"]![1]!["url"]!);

        Assert.Equal(["1 failed", "2 succeeded"], run["attempts"]!.AsArray().Select(link => $"{link!["attempt"]} {link["ending"]}"));
        Assert.Equal($"/api/v1/runs/{first.Id}", (string?)run["cause"]!["url"]);
        Assert.Equal("/api/v1/runs/before/20261122T100000Z", (string?)(await GetAsync($"/api/v1/runs/{first.Id}"))["cause"]!["url"]);
        Assert.Equal(
            [$"{next} ended succeeded", $"{other} queued "],
            run["triggered"]!.AsArray().Select(link => $"{link!["jobName"]} {link["state"]} {link["ending"]}"));
        Assert.Equal($"/api/v1/runs/{again.Id}", (string?)led["cause"]!["url"]);
    }

    [Fact]
    public async Task The_processes_of_a_killed_run_are_shown_only_at_its_own_address()
    {
        var killed = Some.Record(0, _job, RunStatus.Killed) with { Processes = [new RunProcess(7, 1, "S", "sleep 9", 0, 0, "")] };
        await WriteAsync(killed);

        var listed = await GetAsync($"/api/v1/runs?filter=job:{_job}");
        var one = await GetAsync($"/api/v1/runs/{killed.Id}");

        Assert.Null(Assert.Single(listed["runs"]!.AsArray())!["processes"]);
        Assert.Equal("sleep 9", (string?)Assert.Single(one["record"]!["processes"]!.AsArray())!["command"]);
    }

    [Fact]
    public async Task A_lost_run_whose_worker_took_it_along_goes_on()
    {
        var spec = RunSpec.Scheduled(Some.Now);
        await WriteAsync(Some.Record(0, _job, RunStatus.Lost));
        await ClaimAsync(spec);

        Assert.Equal("running", (string?)(await GetAsync($"/api/v1/runs/{_job}/{spec.Id}"))["state"]);
    }

    [Fact]
    public async Task One_run_is_killed_with_a_reason_and_one_that_has_ended_is_not()
    {
        var (running, queued) = (RunSpec.Scheduled(Some.Now), RunSpec.Scheduled(Some.Now.AddMinutes(1)));
        await ClaimAsync(running);
        await QueueAsync(queued);
        await WriteAsync(Some.Record(5, _job));

        var first = await KillAsync(running.Id, """{"reason":"shop maintenance"}""");
        var second = await KillAsync(queued.Id, "");
        var other = await KillAsync(running.Id, $$"""{"runId":"{{queued.Id}}"}""");
        var ended = await KillAsync(RunId.Of(Some.Now.AddMinutes(5)), "");
        var unknown = await KillAsync("nothing", "");

        Assert.Equal(
            [202, 202, 422, 409, 404], new[] { first, second, other, ended, unknown }.Select(answer => (int)answer.Status));
        Assert.Equal($"run 20261122T100500Z of job {_job} has ended: succeeded", (string?)JsonNode.Parse(ended.Text)!["detail"]);
        Assert.Equal(
            "shop maintenance", (await master.Etcd.FindAsync(master.Keys.Killer(Name, running.Id)))!.Value.ToStringUtf8());
        Assert.True((bool)(await GetAsync($"/api/v1/runs/{_job}/{running.Id}"))["isKillAsked"]!);
        Assert.Null(await master.Etcd.FindAsync(master.Keys.Queued(Name, queued.Id)));

        async Task<(HttpStatusCode Status, string Text)> KillAsync(string runId, string body)
        {
            using var content = new StringContent(body, null, "application/json");
            using var answer = await master.Http.PostAsync($"/api/v1/runs/{_job}/{runId}/kill", content);
            return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task The_statistics_of_a_job_have_names()
    {
        var today = DateTimeOffset.UtcNow;
        await WriteAsync(
            [
                .. Enumerable.Range(0, 10).Select(n => Some.Record(n, _job) with
                {
                    PlanTime = Ms(today),
                    StartTime = Ms(today) + 2,
                    EndTime = Ms(today) + 102,
                    MaxRssKb = 1024 * (n + 1),
                    Worker = n < 3 ? "w1" : "w2",
                }),
                Some.Record(11, _job, RunStatus.Missed) with { PlanTime = Ms(today), StartTime = Ms(today) },
            ]);

        var stats = await GetAsync($"/api/v1/jobs/{_job}/stats");

        Assert.Equal("""{"succeeded":10,"missed":1}""", stats["endings"]!.ToJsonString());
        Assert.Equal((10, 100), ((int)stats["duration"]!["runs"]!, (int)stats["duration"]!["maxMs"]!));
        Assert.InRange((int)stats["duration"]!["p50Ms"]!, 100, 120);
        Assert.InRange((int)stats["lag"]!["p95Ms"]!, 2, 3);
        Assert.Equal("""{"runs":10,"p50Bytes":5242880,"maxBytes":10485760}""", stats["memory"]!.ToJsonString());
        Assert.Equal("""{"w1":3,"w2":7}""", stats["workers"]!.ToJsonString());
        Assert.Null(stats["lastFailure"]);
        Assert.Equal("succeeded", (string?)stats["lastSuccess"]!["ending"]);
        Assert.Equal("""{"succeeded":10,"missed":1}""", Assert.Single(stats["byDay"]!.AsArray())!["endings"]!.ToJsonString());
    }

    private static long Ms(DateTimeOffset at) => at.ToUnixTimeMilliseconds();

    private static string Only(JsonNode node, params string[] members) =>
        new JsonObject(members.Select(member => KeyValuePair.Create(member, node[member]?.DeepClone()))).ToJsonString();

    private async Task WriteAsync(params RunRecord[] records) => await master.LogStore.WriteAsync(
        [.. records.Select(record => record with { ExpireAt = DateTimeOffset.UtcNow.AddYears(50) })], CancellationToken.None);

    private async Task ClaimAsync(RunSpec run) => await master.Etcd.PutAsync(
        master.Keys.Run(Name, run.Id),
        JsonSerializer.Serialize(new ClaimedRun("w1", "1", Some.Now.AddSeconds(-1), run), JobsJson.Readable.ClaimedRun));

    private async Task QueueAsync(RunSpec run, string? job = null) => await master.Etcd.PutAsync(
        master.Keys.Queued(JobName.Parse(job ?? _job), run.Id), JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec));

    private async Task<JsonNode> GetAsync(string path)
    {
        using var answer = await master.Http.GetAsync(path);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }
}
