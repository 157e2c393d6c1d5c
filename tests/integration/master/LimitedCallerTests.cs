using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Alerts;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>What a filter hides: also of jobs that are gone, of names that are free, and of names in runs, refusals and alerts.</summary>
public sealed class LimitedCallerTests(AccessMaster access) : IClassFixture<AccessMaster>
{
    private const string Hidden = "a job that you may not see";
    private const string NotOps = "-label:team=ops";
    private const string Own = """{"command":"true","cronExpr":"@daily","labels":{"team":"pay"}}""";

    [Fact]
    public async Task A_negated_filter_shows_no_run_of_a_foreign_job_that_is_gone()
    {
        var viewer = await TokenAsync("not-ops", Role.Viewer, NotOps);
        await GoneAsync("gone-foreign", "ops");
        await GoneAsync("gone-own", "pay");
        await UntilAsync(async () => (await BodyAsync(viewer, "/api/v1/runs?limit=1000")).Contains("\"own/", StringComparison.Ordinal));

        var all = await BodyAsync(viewer, "/api/v1/runs?limit=1000&counts=day");
        var negated = await BodyAsync(viewer, "/api/v1/runs?limit=1000&filter=-label:team%3Dpay");
        var named = await BodyAsync(viewer, "/api/v1/runs?filter=job:gone-foreign%7Cgone-own%7Cforeign");

        Assert.DoesNotContain("foreign", all, StringComparison.Ordinal);
        Assert.DoesNotContain("foreign", negated, StringComparison.Ordinal);
        Assert.DoesNotContain("foreign", named, StringComparison.Ordinal);
        Assert.Contains("\"gone-own/", named, StringComparison.Ordinal);
        Assert.Equal(404, (await access.AskAsync(viewer, "GET", $"/api/v1/runs/gone-foreign/{AccessMaster.Run}/output")).Status);
        Assert.Equal(200, (await access.AskAsync(viewer, "GET", $"/api/v1/runs/gone-own/{AccessMaster.Run}/output")).Status);
    }

    [Theory]
    [InlineData("PUT",  "/api/v1/jobs/NAME",        Own,                                                       "application/json")]
    [InlineData("PUT",  "/api/v1/jobs/NAME?dryRun=true", Own,                                                  "application/json")]
    [InlineData("POST", "/api/v1/apply",            """[{"name":"NAME","command":"true","cronExpr":"@daily","labels":{"team":"pay"}}]""",
        "application/json")]
    [InlineData("POST", "/api/v1/apply?dryRun=true", """[{"name":"NAME","command":"true","cronExpr":"@daily","labels":{"team":"pay"}}]""",
        "application/json")]
    [InlineData("POST", "/job/save",                "job=%7B%22name%22:%22NAME%22,%22command%22:%22true%22,%22cronExpr%22:%22@daily%22,"
        + "%22labels%22:%7B%22team%22:%22pay%22%7D%7D",                              "application/x-www-form-urlencoded")]
    public async Task The_name_of_a_foreign_job_that_is_gone_cannot_be_taken(string method, string path, string body, string type)
    {
        var name = $"taken-{Guid.NewGuid():N}";
        await GoneAsync(name, "ops");
        await GoneAsync($"{name}-own", "pay");
        var (foreign, why) = await AskAsync(name);
        var (own, answer) = await AskAsync($"{name}-own");

        Assert.True(foreign is 403 or 404 || why.Contains("\"errno\":-1", StringComparison.Ordinal), $"{foreign} {why}");
        Assert.Contains("is not a job; expected a saved one", why, StringComparison.Ordinal);
        Assert.True(own is 200 or 201 && !answer.Contains("\"errno\":-1", StringComparison.Ordinal), $"{own} {answer}");
        Assert.Equal(404, (await access.AskAsync("admin", "GET", $"/api/v1/jobs/{name}")).Status);
        Assert.Equal(404, (await access.AskAsync("editor limited", "GET", $"/api/v1/jobs/{name}/versions")).Status);

        Task<(int Status, string Body)> AskAsync(string its) => access.AskAsync(
            "editor limited",
            method,
            path.Replace("NAME", its, StringComparison.Ordinal),
            body.Replace("NAME", its, StringComparison.Ordinal),
            type);
    }

    [Fact]
    public async Task A_name_with_runs_and_without_versions_is_for_callers_without_a_filter()
    {
        var record = Some.Record(0) with { Id = $"runs-only/{AccessMaster.Run}", JobName = "runs-only" };
        await access.Master.LogStore.WriteAsync([record], CancellationToken.None);

        Assert.Equal(404, (await access.AskAsync("editor limited", "PUT", "/api/v1/jobs/runs-only", Own)).Status);
        Assert.Equal(201, (await access.AskAsync("editor limited", "PUT", "/api/v1/jobs/never-used", Own)).Status);
        Assert.Equal(201, (await access.AskAsync("editor", "PUT", "/api/v1/jobs/runs-only", Own)).Status);
    }

    [Fact]
    public async Task One_caller_waits_for_runs_in_a_quarter_of_the_places()
    {
        var waiting = Enumerable.Range(0, 13)
            .Select(_ => access.AskAsync("operator", "POST", "/api/v1/jobs/own/run?wait=15"))
            .ToList();
        var (status, body) = await (await Task.WhenAny(waiting)).Soon();
        var (other, _) = await access.AskAsync("editor", "POST", "/api/v1/jobs/own/run?wait=1");
        var statuses = (await Task.WhenAll(waiting)).Select(answer => answer.Status).ToList();

        Assert.Equal(429, status);
        Assert.Contains(
            "12 requests of operator wait for runs on this master, the most of one caller; nothing was run, try again without wait", body);
        Assert.Equal(202, other);
        Assert.Equal(12, statuses.Count(one => one == 202));
    }

    [Fact]
    public async Task A_line_of_a_crontab_cannot_take_the_name_of_a_foreign_job_that_is_gone()
    {
        await GoneAsync("imported-true", "ops");

        var (status, body) = await access.AskAsync(
            "editor limited", "POST", "/api/v1/import?prefix=imported-&label=team%3Dpay", "0 3 * * * true\n", "text/plain");

        Assert.Equal(200, status);
        Assert.Contains("is not a job; expected a saved one", body, StringComparison.Ordinal);
        Assert.Equal(404, (await access.AskAsync("admin", "GET", "/api/v1/jobs/imported-true")).Status);
    }

    [Fact]
    public async Task A_condition_on_a_free_name_does_not_tell_who_deleted_the_foreign_job()
    {
        await GoneAsync("gone-with-condition", "ops");

        var (status, body) = await access.AskAsync(
            "editor limited", "PUT", "/api/v1/jobs/gone-with-condition", Own, headers: [("If-Match", "\"7\"")]);

        Assert.Equal(404, status);
        Assert.DoesNotContain("admin", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_does_not_name_the_foreign_job_that_led_to_it()
    {
        await access.SaveAsync("led-to", "pay");
        var record = Some.Record(0) with
        {
            Id = $"led-to/{AccessMaster.Run}", JobName = "led-to", Cause = $"foreign/{AccessMaster.Run}", Trigger = "dependency",
        };
        await access.Master.LogStore.WriteAsync([record], CancellationToken.None);
        string[] paths =
        [
            "/api/v1/runs?filter=job:led-to", $"/api/v1/runs/led-to/{AccessMaster.Run}", "/job/log?name=led-to",
        ];
        await UntilAsync(async () => (await BodyAsync("viewer limited", paths[0])).Contains("\"led-to/", StringComparison.Ordinal));

        foreach (var path in paths)
        {
            var body = await BodyAsync("viewer limited", path);
            Assert.Contains(Hidden, body, StringComparison.Ordinal);
            Assert.DoesNotContain("foreign", body, StringComparison.Ordinal);
            Assert.Contains("foreign", await BodyAsync("viewer", path), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_cycle_does_not_name_the_foreign_job_on_its_way()
    {
        foreach (var (name, team) in new[] { ("cycle-a", "pay"), ("cycle-b", "pay"), ("cycle-foreign", "ops") })
        {
            await access.SaveAsync(name, team);
        }

        await ChainAsync("cycle-a", "cycle-foreign");
        await ChainAsync("cycle-foreign", "cycle-b");
        const string set = """[{"name":"cycle-b","command":"true","cronExpr":"@daily","labels":{"team":"pay"},"then":["cycle-a"]}]""";

        var (saved, why) = await access.AskAsync("editor limited", "PATCH", "/api/v1/jobs/cycle-b", """{"then":["cycle-a"]}""");
        var (applied, fault) = await access.AskAsync("editor limited", "POST", "/api/v1/apply", set);

        Assert.Equal((422, 422), (saved, applied));
        Assert.Contains(Hidden, why, StringComparison.Ordinal);
        Assert.Contains(Hidden, fault, StringComparison.Ordinal);
        Assert.DoesNotContain("foreign", why + fault, StringComparison.Ordinal);

        async Task ChainAsync(string name, string then) => Assert.Equal(
            200, (await access.AskAsync("admin", "PATCH", $"/api/v1/jobs/{name}", $$"""{"then":["{{then}}"]}""")).Status);
    }

    [Fact]
    public async Task A_limited_operator_makes_no_alert_of_a_worker_quiet()
    {
        var keys = new AlertKeys(access.Master.Keys);
        var (limited, whole) = (await TokenAsync("mutes", Role.Operator, NotOps), await TokenAsync("mutes-all", Role.Operator, ""));
        var now = DateTimeOffset.UtcNow;
        await access.Master.Etcd.PutAsync(keys.Rules + "r", """{"channel":"pager","on":["workerGone"],"text":"the rule of ops"}""");
        await access.Master.Etcd.PutAsync(
            keys.State(AlertSubject.ForWorker("r", "w9")),
            JsonSerializer.Serialize(
                AlertState.Well.With(AlertEvent.WorkerGone, new OpenAlert(now, "left", IsTold: true)), AlertJson.Readable.AlertState));
        await UntilAsync(async () => (await BodyAsync("admin", "/api/v1/alerts")).Contains("\"w9\"", StringComparison.Ordinal));

        var (refused, why) = await MuteAsync(limited, "worker:w9");
        var (made, _) = await MuteAsync(limited, "-job:nothing");
        await UntilAsync(async () => (await BodyAsync("admin", "/api/v1/alerts")).Contains("-job:nothing", StringComparison.Ordinal));
        var muted = IsMuted(await BodyAsync("admin", "/api/v1/alerts"));
        var (madeByAll, _) = await MuteAsync(whole, "worker:w9");

        Assert.Equal((403, 201, 201), (refused, made, madeByAll));
        Assert.Contains("a filter limits you to jobs", why, StringComparison.Ordinal);
        Assert.False(muted);
        await UntilAsync(async () => IsMuted(await BodyAsync("admin", "/api/v1/alerts")));
        Assert.Contains("-job:nothing", await BodyAsync(limited, "/api/v1/alerts"), StringComparison.Ordinal);
        Assert.DoesNotContain("worker:w9", await BodyAsync(limited, "/api/v1/alerts"), StringComparison.Ordinal);
        Assert.Contains("the rule of ops", await BodyAsync(whole, "/api/v1/alerts/rules"), StringComparison.Ordinal);
        Assert.Equal("""{"rules":[]}""", await BodyAsync(limited, "/api/v1/alerts/rules"));

        Task<(int Status, string Body)> MuteAsync(string who, string filter) => access.AskAsync(
            who, "POST", "/api/v1/alerts/mutes", $$"""{"filter":"{{filter}}","until":"{{now.AddHours(1):O}}"}""");

        static bool IsMuted(string body) =>
            JsonNode.Parse(body)!["open"]!.AsArray().Any(open => (string?)open!["worker"] == "w9" && (bool)open["isMuted"]!);
    }

    /// <summary>Saves a job, notes a run of it, and deletes it.</summary>
    private async Task GoneAsync(string name, string team)
    {
        await access.SaveAsync(name, team);
        var record = Some.Record(0) with { Id = $"{name}/{AccessMaster.Run}", JobName = name };
        await access.Master.LogStore.WriteAsync([record], CancellationToken.None);
        Assert.Equal(200, (await access.AskAsync("admin", "DELETE", $"/api/v1/jobs/{name}")).Status);
    }

    private async Task<string> TokenAsync(string name, Role role, string filter) =>
        (await access.Access.AddTokenAsync(name, role, filter, null, "tests", CancellationToken.None))!;

    private async Task<string> BodyAsync(string who, string path)
    {
        var (status, body) = await access.AskAsync(who, "GET", path);
        Assert.True(status == 200, $"{status} {body}");
        return body;
    }

    private Task UntilAsync(Func<Task<bool>> condition) =>
        Patience.Until(() => condition().GetAwaiter().GetResult(), access.Master.Said);
}
