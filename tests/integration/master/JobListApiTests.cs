using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Api;
using Dts.Master.Jobs;
using Dts.Master.Views;
using Dts.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Lists, the present moment and acts on many jobs, over HTTP.</summary>
public sealed class JobListApiTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    [Fact]
    public async Task A_list_has_what_a_person_looks_for()
    {
        await SaveAsync("list-a", "*/5 * * * *", RunStatus.Failed);
        await SaveAsync("list-b", "0 3 * * *", RunStatus.Succeeded);

        var page = await GetSoonAsync("jobs?filter=list-", page => page.GetProperty("jobs").EnumerateArray()
            .All(job => job.GetProperty("state").GetString() is "failing" or "well") && page.GetProperty("total").GetInt32() == 2);

        var job = page.GetProperty("jobs")[0];
        Assert.Equal(
            "cronExpr description enabled endings labels last name next queued running state streak timeZone usualMs why words",
            string.Join(' ', job.EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal)));
        Assert.Equal("failing", job.GetProperty("state").GetString());
        Assert.Equal("every 5 minutes, UTC", job.GetProperty("words").GetString());
        Assert.Equal("failed", job.GetProperty("last").GetProperty("ending").GetString());
        Assert.Equal("2026-11-22T10:00:00.002Z", job.GetProperty("last").GetProperty("startedAt").GetString());
        Assert.Equal("2026-11-22T10:00:00Z", job.GetProperty("endings")[0].GetProperty("startedAt").GetString());
        Assert.EndsWith("Z", job.GetProperty("next").GetString());
    }

    [Fact]
    public async Task A_cursor_asks_for_the_next_page()
    {
        foreach (var n in Enumerable.Range(0, 5))
        {
            await SaveAsync($"page-{n}", "0 3 * * *");
        }

        await TotalSoonAsync("page-", 5);
        var (names, after) = (new List<string?>(), "");
        do
        {
            var page = await GetAsync($"jobs?filter=page-&sort=-name&limit=2{after}");
            names.AddRange(page.GetProperty("jobs").EnumerateArray().Select(job => job.GetProperty("name").GetString()));
            after = page.GetProperty("next").GetString() is { } next ? $"&after={next}" : null;
        }
        while (after is not null);

        Assert.Equal(["page-4", "page-3", "page-2", "page-1", "page-0"], names);
    }

    [Theory]
    [InlineData("jobs?filter=stat:failing", "did you mean state?")]
    [InlineData("jobs?filter=trigger:manual", "does not apply to jobs")]
    [InlineData("jobs?sort=age", "sort is \"age\"; expected name, next, last or state, with '-' before it for the reverse")]
    [InlineData("jobs?limit=0", "limit is \"0\"; expected a whole number from 1 to 1000")]
    [InlineData("jobs?after=x", "after is \"x\"; expected the \"next\" of the page before")]
    public async Task A_list_that_cannot_be_meant_is_refused(string path, string message)
    {
        using var answer = await master.Http.GetAsync($"/api/v1/{path}");

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        Assert.Contains(message, (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("detail").GetString());
    }

    [Fact]
    public async Task Now_is_one_answer()
    {
        await SaveAsync("now-failed", "0 3 * * *", RunStatus.Failed);

        var now = await GetSoonAsync("now", now => now.GetProperty("needsYou").EnumerateArray().Any(
            needy => needy.GetProperty("job").GetProperty("name").GetString() == "now-failed"
                && needy.GetProperty("reason").GetString() == "failed"));

        Assert.Equal(
            ["asOf", "at", "counts", "needsYou", "next", "running", "workers"],
            now.EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_failing_job_that_is_muted_leaves_Now_without_any_rule_of_alerts_and_the_list_says_so()
    {
        await SaveAsync("now-muted", "0 3 * * *", RunStatus.Failed);
        await GetSoonAsync("now", now => NeedsYou(now, "now-muted"));

        using var made = await master.Http.PostAsJsonAsync("/api/v1/alerts/mutes", new { filter = "job:now-muted", reason = "moving" });

        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        var now = await GetSoonAsync("now", now => !NeedsYou(now, "now-muted"));
        Assert.Equal(1, now.GetProperty("counts").GetProperty("muted").GetInt32());
        var row = (await GetAsync("jobs?filter=job:now-muted")).GetProperty("jobs")[0];
        Assert.Equal((true, "failing"), (row.GetProperty("isMuted").GetBoolean(), row.GetProperty("state").GetString()));

        static bool NeedsYou(JsonElement now, string job) => now.GetProperty("needsYou").EnumerateArray()
            .Any(needy => needy.GetProperty("job").GetProperty("name").GetString() == job);
    }

    [Fact]
    public async Task A_worker_that_left_is_listed_as_such()
    {
        var registration = new WorkerRegistration("h", "10.0.0.1", "1", new ProcessIdentity("b", 1, 1), 4, Some.Now);
        await master.Etcd.PutAsync(
            master.Keys.Worker("gone"), JsonSerializer.Serialize(registration, JobsJson.Readable.WorkerRegistration));
        await GetSoonAsync("workers", page => StateOf(page) == "live");

        await master.Etcd.DeleteAsync(master.Keys.Worker("gone"));

        var left = (await GetSoonAsync("workers", page => StateOf(page) == "left")).GetProperty("workers")[0];
        Assert.Equal(("gone", "10.0.0.1", 4), (left.GetProperty("id").GetString(), left.GetProperty("address").GetString(),
            left.GetProperty("slots").GetInt32()));
        Assert.EndsWith("Z", left.GetProperty("leftAt").GetString());

        static string? StateOf(JsonElement page) =>
            page.GetProperty("workers").EnumerateArray().Select(worker => worker.GetProperty("state").GetString()).SingleOrDefault();
    }

    [Fact]
    public async Task An_act_on_many_jobs_has_a_dry_run()
    {
        await SaveAsync("bulk-a", "0 3 * * *");
        await SaveAsync("bulk-b", "0 3 * * *");
        await TotalSoonAsync("bulk-", 2);

        var dry = await ActAsync("pause?filter=bulk-&dryRun=true");
        Assert.Equal(["bulk-a would be paused", "bulk-b would be paused"], OutcomesOf(dry));
        Assert.Equal(2, (await GetAsync("jobs?filter=bulk-%20-state:paused")).GetProperty("total").GetInt32());

        Assert.Equal(["bulk-a paused", "bulk-b paused"], OutcomesOf(await ActAsync("pause?filter=bulk-")));
        await TotalSoonAsync("bulk- state:paused", 2);
        Assert.Equal(["bulk-a resumed", "bulk-b resumed"], OutcomesOf(await ActAsync("resume?filter=bulk-")));
        await TotalSoonAsync("bulk- -state:paused", 2);
        var run = await ActAsync("run?filter=job:bulk-a");
        Assert.Equal(["bulk-a asked to run"], OutcomesOf(run));
        Assert.Contains("-manual-", run.GetProperty("jobs")[0].GetProperty("runId").GetString());
        await TotalSoonAsync("bulk- state:queued", 1);
        Assert.Equal(["bulk-a asked to end", "bulk-b asked to end"], OutcomesOf(await ActAsync("kill?filter=bulk-")));
        await TotalSoonAsync("bulk- state:queued", 0);
        Assert.Equal(["bulk-a deleted", "bulk-b deleted"], OutcomesOf(await ActAsync("delete?filter=bulk-")));
        await TotalSoonAsync("bulk-", 0);
    }

    [Fact]
    public async Task A_run_of_many_jobs_that_is_repeated_with_its_key_runs_each_job_once()
    {
        await SaveAsync("once-a", "0 3 * * *");
        await SaveAsync("once-b", "0 3 * * *");
        await TotalSoonAsync("once-", 2);

        var first = await ActAsync("run?filter=once-", """{"env":{"A":"1"}}""", key: "release 42");
        var again = await ActAsync("run?filter=once-", """{"env":{"A":"1"}}""", key: "release 42");
        var other = await ActAsync("run?filter=once-", """{"env":{"A":"2"}}""", key: "release 42");

        Assert.Equal(["once-a asked to run", "once-b asked to run"], OutcomesOf(again));
        Assert.Equal(RunsOf(first), RunsOf(again));
        Assert.Equal(["once-a not asked to run", "once-b not asked to run"], OutcomesOf(other));
        Assert.Contains(
            "Idempotency-Key is \"release 42\"; expected a new key", other.GetProperty("jobs")[0].GetProperty("error").GetString());
        Assert.Single(await master.Etcd.ListAsync(master.Keys.QueueOf(JobName.Parse("once-b"))));
        await ActAsync("delete?filter=once-");

        static IEnumerable<string?> RunsOf(JsonElement answer) =>
            answer.GetProperty("jobs").EnumerateArray().Select(row => row.GetProperty("runId").GetString());
    }

    [Fact]
    public async Task A_job_that_cannot_be_changed_is_named_with_the_reason()
    {
        await SaveAsync("damage-a", "0 3 * * *");
        await master.Etcd.PutAsync(master.Keys.Jobs + "damage-b", "no JSON");
        await TotalSoonAsync("damage-", 2);

        var rows = (await ActAsync("pause?filter=damage-")).GetProperty("jobs");

        Assert.Equal(["damage-a paused", "damage-b not paused"], rows.EnumerateArray().Select(OutcomeOf));
        Assert.Contains("is not a job that can be read", rows[1].GetProperty("error").GetString());
        Assert.Equal("no JSON", (await master.Etcd.FindAsync(master.Keys.Jobs + "damage-b"))!.Value.ToStringUtf8());
        await ActAsync("delete?filter=damage-");
    }

    [Fact]
    public async Task The_body_of_an_act_on_many_jobs_is_that_of_the_act_on_one()
    {
        await SaveAsync("body-a", "0 3 * * *");
        await TotalSoonAsync("body-", 1);
        var name = JobName.Parse("body-a");

        await ActAsync("run?filter=body-", """{"env":{"FULL":"yes"}}""");
        var queued = Assert.Single(await master.Etcd.ListAsync(master.Keys.QueueOf(name)));
        Assert.Contains("\"FULL\":\"yes\"", queued.Value.ToStringUtf8());
        await ActAsync("kill?filter=body-", """{"reason":"disk is full"}""");
        Assert.Equal("disk is full", (await master.Etcd.FindAsync(master.Keys.Killer(name)))!.Value.ToStringUtf8());

        await RefusedAsync("kill?filter=body-", """{"runId":"x"}""", HttpStatusCode.UnprocessableEntity);
        await RefusedAsync("run?filter=body-", """{"environment":{}}""", HttpStatusCode.UnprocessableEntity);
        foreach (var act in new[] { "pause", "resume", "delete" })
        {
            await RefusedAsync($"{act}?filter=body-", "{}", HttpStatusCode.UnsupportedMediaType);
        }

        async Task RefusedAsync(string path, string body, HttpStatusCode status)
        {
            using var content = new StringContent(body, Encoding.UTF8, "application/json");
            using var answer = await master.Http.PostAsync($"/api/v1/jobs/{path}", content);
            Assert.Equal(status, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_job_that_the_filter_does_not_match_any_more_stays_also_when_the_view_does_not_know_it_yet()
    {
        var jobs = new JobStore(master.Etcd, master.Keys, CronZone.Utc, TimeProvider.System, new ForeignValues(NullLogger.Instance));
        var view = new ClusterView(new ClusterState(master.Keys, CronZone.Utc));
        foreach (var name in new[] { "label-a", "label-b", "label-c" })
        {
            var old = Some.Job(name) with { Labels = new Dictionary<string, string> { ["team"] = "pay" } };
            view.Change(state => state.Jobs.Put(JobName.Parse(name), Encoding.UTF8.GetBytes(JobJson.ToJson(old))));
            if (name != "label-c")
            {
                await jobs.SaveAsync(name == "label-a" ? old : old with { Labels = Some.Job().Labels }, CancellationToken.None);
            }
        }

        Enumerable.Range(0, ClusterView.Tables).ToList().ForEach(_ => view.NoteListed());
        var bulk = new BulkApi(view, jobs, null!, TimeProvider.System);
        var answer = await bulk.PerformAsync(
            Scope.Everything, "label:team=pay", isDryRun: false, "deleted", bulk.DeleteAsync, CancellationToken.None);

        Assert.Equal(
            ["label-a deleted", "label-b not deleted", "label-c not deleted"], answer.Jobs.Select(job => $"{job.Name} {job.Outcome}"));
        Assert.Contains("the filter does not match it any more", answer.Jobs[1].Error);
        Assert.NotNull(await master.Etcd.FindAsync(master.Keys.Job(JobName.Parse("label-b"))));
    }

    [Theory]
    [InlineData("delete?filter=typo-&dry_run=true", "parameter \"dry_run\" is not known here, did you mean \"dryRun\"?; "
        + "expected filter, dryRun", "dry_run")]
    [InlineData("typo-a/run?dryRun=true",           "parameter \"dryRun\" is not known here; expected wait", "dryRun")]
    [InlineData("typo-a/pause?name=x",              "parameter \"name\" is not known here; expected none", "name")]
    public async Task A_parameter_that_the_path_does_not_have_is_refused_and_nothing_is_done(string path, string detail, string field)
    {
        await SaveAsync("typo-a", "0 3 * * *");
        await TotalSoonAsync("typo-", 1);

        using var answer = await master.Http.PostAsync($"/api/v1/jobs/{path}", null);

        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(
            (HttpStatusCode.BadRequest, detail, field, "urn:dts:unknown-parameter"),
            (answer.StatusCode, problem.GetProperty("detail").GetString(), problem.GetProperty("field").GetString(),
                problem.GetProperty("type").GetString()));
        Assert.Equal(1, (await GetAsync("jobs?filter=typo-&SORT=name")).GetProperty("total").GetInt32());
        Assert.Empty(await master.Etcd.ListAsync(master.Keys.QueueOf(JobName.Parse("typo-a"))));
    }

    [Theory]
    [InlineData("")]
    [InlineData("?filter=")]
    [InlineData("?filter=%20")]
    public async Task An_act_on_many_jobs_without_a_filter_is_refused(string query)
    {
        using var answer = await master.Http.PostAsync($"/api/v1/jobs/delete{query}", null);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("expected words that say which jobs are meant", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_job_whose_name_is_that_of_an_act_can_be_reached()
    {
        await SaveAsync("pause", "0 3 * * *");

        using var paused = await master.Http.PostAsync("/api/v1/jobs/pause/pause", null);
        using var deleted = await master.Http.DeleteAsync("/api/v1/jobs/pause");

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (paused.StatusCode, deleted.StatusCode));
    }

    private static IEnumerable<string> OutcomesOf(JsonElement answer) => answer.GetProperty("jobs").EnumerateArray().Select(OutcomeOf);

    private static string OutcomeOf(JsonElement row) => $"{row.GetProperty("name").GetString()} {row.GetProperty("outcome").GetString()}";

    private async Task SaveAsync(string name, string cronExpr, RunStatus? ended = null)
    {
        if (ended is { } status)
        {
            await master.LogStore.WriteAsync([Some.Record(0, name, status)], CancellationToken.None);
        }

        var json = JobJson.ToJson(Some.Job(name, cronExpr));
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["job"] = json });
        using var saved = await master.Http.PostAsync("/job/save", form);
        Assert.Contains("\"errno\":0", await saved.Content.ReadAsStringAsync());
    }

    private async Task<JsonElement> GetAsync(string path)
    {
        using var answer = await master.Http.GetAsync($"/api/v1/{path}");
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{answer.StatusCode} {text}");
        return JsonSerializer.Deserialize<JsonElement>(text);
    }

    private async Task<JsonElement> ActAsync(string path, string? body = null, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/jobs/{path}");
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        using var answer = await master.Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{answer.StatusCode} {text}");
        return JsonSerializer.Deserialize<JsonElement>(text);
    }

    private Task<JsonElement> TotalSoonAsync(string filter, int total) =>
        GetSoonAsync($"jobs?filter={Uri.EscapeDataString(filter)}", page => page.GetProperty("total").GetInt32() == total);

    private async Task<JsonElement> GetSoonAsync(string path, Func<JsonElement, bool> fits)
    {
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        var deadline = Environment.TickCount64 + (long)Patience.Limit.TotalMilliseconds;
        while (true)
        {
            using var answer = await master.Http.GetAsync($"/api/v1/{path}");
            var text = await answer.Content.ReadAsStringAsync();
            if (answer.StatusCode == HttpStatusCode.OK && JsonSerializer.Deserialize<JsonElement>(text) is var found && fits(found))
            {
                return found;
            }

            Assert.True(Environment.TickCount64 < deadline, $"{path} answers {text} after {Patience.Limit}\n{master.Said()}");
            await look.WaitForNextTickAsync();
        }
    }
}
