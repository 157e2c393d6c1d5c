using System.Text.Json.Nodes;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Each change and each refused attempt is in the trail, and in the journal.</summary>
public sealed class AuditTests(AccessMaster access) : IClassFixture<AccessMaster>
{
    [Fact]
    public async Task A_change_is_recorded_with_who_made_it_and_what_was_before_and_after()
    {
        await access.AskAsync("editor", "PATCH", "/api/v1/jobs/own", """{"timeoutSeconds":77,"env":{"PASSWORD":"hunter3"}}""");

        var record = Find(await access.AuditAsync(Is("PATCH /api/v1/jobs/{name}", "own")), "PATCH /api/v1/jobs/{name}", "own");

        Assert.Equal("editor editor token 127.0.0.1 done", Text(record, "who", "role", "via", "from", "outcome"));
        Assert.Equal(
            """[{"job":"own","change":"changed","members":[{"member":"timeoutSeconds","was":0,"is":77},"""
                + """{"member":"env.PASSWORD","was":"•••","is":"•••"}]}]""",
            record["changes"]!.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
        Assert.Contains(
            "audit: editor (editor by token, from 127.0.0.1): PATCH /api/v1/jobs/{name} own: done", access.Master.Said());
        Assert.DoesNotContain("hunter3", access.Master.Said());
    }

    [Fact]
    public async Task A_refusal_is_recorded_and_says_why()
    {
        await access.AskAsync("viewer", "POST", "/api/v1/jobs/own/run");

        const string run = "POST /api/v1/jobs/{name}/run";
        var record = Find(await access.AuditAsync(Is(run, "own", "viewer")), run, "own", "viewer");

        Assert.Equal(
            "viewer viewer refused role of viewer is viewer; expected operator for this", Text(record, "who", "role", "outcome", "detail"));
    }

    [Fact]
    public async Task A_change_on_an_original_path_is_recorded_whatever_its_query_says()
    {
        await access.AskAsync(
            "editor",
            "POST",
            "/job/save?dryRun=true",
            "job=" + Uri.EscapeDataString("""{"name":"by-form","command":"true","cronExpr":"@daily","labels":{"team":"pay"}}"""),
            "application/x-www-form-urlencoded");

        var record = Find(await access.AuditAsync(Is("POST /job/save", "by-form")), "POST /job/save", "by-form");

        Assert.Equal("editor done", Text(record, "who", "outcome"));
    }

    [Fact]
    public async Task A_password_that_is_no_text_is_not_repeated()
    {
        var (status, body) = await access.AskAsync(null, "POST", "/api/v1/session", """{"name":"mara","password":123456789012}""");

        Assert.Equal(422, status);
        Assert.Contains("password is no text", body);
        Assert.DoesNotContain("123456789012", body);
    }

    [Fact]
    public async Task Only_an_admin_gives_a_job_a_secret()
    {
        const string job = """{"command":"true","cronExpr":"@daily","labels":{"team":"pay"},"secrets":["db"]}""";

        var (refused, why) = await access.AskAsync("editor", "PUT", "/api/v1/jobs/with-secret", job);
        var (made, _) = await access.AskAsync("admin", "PUT", "/api/v1/jobs/with-secret", job);
        var (kept, _) = await access.AskAsync("editor", "PATCH", "/api/v1/jobs/with-secret", """{"timeoutSeconds":3}""");

        Assert.Equal((403, 201, 200), (refused, made, kept));
        Assert.Contains("secrets of job", why);
    }

    [Fact]
    public async Task Looking_at_a_foreign_job_is_a_refused_attempt()
    {
        await access.AskAsync("viewer limited", "GET", "/api/v1/jobs/foreign");

        var record = Find(await access.AuditAsync(Is("GET /api/v1/jobs/{name}", "foreign")), "GET /api/v1/jobs/{name}", "foreign");

        Assert.Equal("viewer-limited refused", Text(record, "who", "outcome"));
    }

    [Fact]
    public async Task A_wrong_token_is_recorded_and_what_changes_nothing_is_not()
    {
        await access.AskAsync("dts_wrong", "GET", "/api/v1/workers");
        await access.AskAsync(null, "GET", "/api/v1/workers");
        await access.AskAsync("viewer", "GET", "/api/v1/workers");
        await access.AskAsync("editor", "PUT", "/api/v1/jobs/dry?dryRun=true", """{"command":"true","cronExpr":"@daily"}""");

        var records = await access.AuditAsync(Is("GET /api/v1/workers", ""));

        Assert.Equal("refused", Text(Assert.Single(records, one => $"{one!["act"]}" == "GET /api/v1/workers")!, "outcome"));
        Assert.DoesNotContain(records, record => $"{record!["target"]}" == "dry");
    }

    [Fact]
    public async Task The_trail_has_pages_and_a_filter()
    {
        for (var n = 0; n < 3; n++)
        {
            await access.AskAsync("operator", "POST", "/api/v1/jobs/own/run");
        }

        await access.AuditAsync(record => Text(record, "who") == "operator");
        var (_, first) = await access.AskAsync("admin", "GET", "/api/v1/audit?filter=who:operator+OWN&limit=2");
        var page = JsonNode.Parse(first)!;
        var (_, second) = await access.AskAsync("admin", "GET", $"/api/v1/audit?filter=who:operator+OWN&limit=2&after={page["next"]}");
        var ids = page["records"]!.AsArray().Concat(JsonNode.Parse(second)!["records"]!.AsArray()).Select(one => $"{one!["id"]}").ToList();

        Assert.True(ids.Count >= 3, $"{first} {second}");
        Assert.Equal(ids.Count, ids.Distinct().Count());
        Assert.Equal(400, (await access.AskAsync("admin", "GET", "/api/v1/audit?filter=outcome:maybe")).Status);
    }

    [Fact]
    public async Task Of_people_and_tokens_role_and_filter_are_recorded_and_no_secret()
    {
        var (status, body) = await access.AskAsync(
            "admin", "POST", "/api/v1/users", """{"name":"eva","role":"viewer","filter":"label:team=pay","password":"a secret of eva"}""");
        Assert.True(status == 201, body);
        await access.AskAsync("admin", "PATCH", "/api/v1/users/eva", """{"role":"operator","password":"another one of eva"}""");

        var record = Find(await access.AuditAsync(Is("PATCH /api/v1/users/{name}", "eva")), "PATCH /api/v1/users/{name}", "eva");

        Assert.Equal(
            "role viewer, filter label:team=pay → role operator, filter label:team=pay; new password", Text(record, "detail"));
        Assert.DoesNotContain("of eva", access.Master.Said());
    }

    private static Func<JsonNode, bool> Is(string act, string target, string who = "") =>
        record => $"{record["act"]}" == act && $"{record["target"]}" == target && (who.Length == 0 || $"{record["who"]}" == who);

    private static JsonNode Find(JsonArray records, string act, string target, string who = "") =>
        records.First(record => Is(act, target, who)(record!))!;

    private static string Text(JsonNode record, params string[] members) =>
        string.Join(' ', members.Select(member => $"{record[member]}"));
}
