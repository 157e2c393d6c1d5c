using System.Text.Json.Nodes;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Each change and each refused attempt is in the trail, and in the journal.</summary>
public sealed class AuditTests(AccessMaster access) : IClassFixture<AccessMaster>
{
    [Fact]
    public async Task A_change_is_recorded_with_its_caller_and_the_job_before_and_after()
    {
        await access.AskAsync("editor", "PATCH", "/api/v1/jobs/own", """{"timeoutSeconds":77,"env":{"PASSWORD":"hunter3"}}""");

        var record = Find(await access.AuditAsync(Is("PATCH /api/v1/jobs/{name}", "own")), "PATCH /api/v1/jobs/{name}", "own");

        Assert.Equal("editor editor token 127.0.0.1 done", Text(record, "who", "role", "via", "from", "outcome"));
        Assert.Equal(
            """[{"job":"own","change":"changed","members":[{"member":"timeoutSeconds","was":0,"is":77},"""
                + """{"member":"env.PASSWORD","was":"•••","is":"•••"}]}]""",
            record["changes"]!.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
        const string line = "audit: editor (editor by token, from 127.0.0.1): PATCH /api/v1/jobs/{name} own: done";
        await Patience.Until(() => access.Master.Said().Contains(line, StringComparison.Ordinal), access.Master.Said);
        Assert.DoesNotContain("hunter3", access.Master.Said());
    }

    [Fact]
    public async Task A_refusal_is_recorded_with_its_reason()
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
    public async Task A_password_that_is_not_a_string_is_not_quoted()
    {
        var (status, body) = await access.AskAsync(null, "POST", "/api/v1/session", """{"name":"mara","password":123456789012}""");

        Assert.Equal(422, status);
        Assert.Contains("password is not a text", body);
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
    public async Task Reading_a_job_outside_the_callers_filter_is_recorded_as_refused()
    {
        await access.AskAsync("viewer limited", "GET", "/api/v1/jobs/foreign");

        var record = Find(await access.AuditAsync(Is("GET /api/v1/jobs/{name}", "foreign")), "GET /api/v1/jobs/{name}", "foreign");

        Assert.Equal("viewer-limited refused", Text(record, "who", "outcome"));
    }

    [Fact]
    public async Task A_wrong_token_is_recorded_and_a_request_that_changes_nothing_is_not()
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
    public async Task The_trail_can_be_paged_and_filtered()
    {
        for (var n = 0; n < 3; n++)
        {
            await access.AskAsync("operator", "POST", "/api/v1/jobs/own/run");
        }

        await access.AuditAsync(Is("POST /api/v1/jobs/{name}/run", "own", "operator"), count: 3);
        var (_, first) = await access.AskAsync("admin", "GET", "/api/v1/audit?filter=who:operator+OWN&limit=2");
        var page = JsonNode.Parse(first)!;
        var (_, second) = await access.AskAsync("admin", "GET", $"/api/v1/audit?filter=who:operator+OWN&limit=2&after={page["next"]}");
        var ids = page["records"]!.AsArray().Concat(JsonNode.Parse(second)!["records"]!.AsArray()).Select(one => $"{one!["id"]}").ToList();

        Assert.True(ids.Count >= 3, $"{first} {second}");
        Assert.Equal(ids.Count, ids.Distinct().Count());
        Assert.Equal(400, (await access.AskAsync("admin", "GET", "/api/v1/audit?filter=outcome:maybe")).Status);
    }

    [Fact]
    public async Task Changes_of_people_and_tokens_are_recorded_without_secrets()
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

    [Fact]
    public async Task Each_attack_is_recorded_with_its_act_and_the_reason_of_the_refusal()
    {
        access.Tokens["revoked"] = (await access.Access.AddTokenAsync(
            "revoked", Dts.Master.Access.Role.Admin, "", null, "tests", default))!;
        await access.AddEndedTokenAsync("expired");
        await access.AskAsync("admin", "DELETE", "/api/v1/tokens/revoked"); // Refused from the answer on, also where a watch comes late.
        (string Who, string Method, string Path, string Body, (string, string)[] Headers, string Expected)[] attacks =
        [
            ("revoked", "GET", "/api/v1/status", "", [], " refused GET /api/v1/status not authorized"),
            ("expired", "GET", "/api/v1/now", "", [], " refused GET /api/v1/now not authorized"),
            ("dts_forged", "GET", "/api/v1/jobs/own%2f..%2fforeign", "", [], " refused GET /api/v1/jobs/{name} not authorized"),
            ("operator", "POST", "/api/v1/jobs/own/resume", "", [("Origin", "https://evil.example")],
                "operator refused POST /api/v1/jobs/{name}/resume origin \"https://evil.example\""),
            ("viewer", "DELETE", "/api/v1/users/mara", "", [], "viewer refused DELETE /api/v1/users/{name} role of viewer is viewer"),
            ("editor", "PUT", "/api/v1/jobs/large", new string('x', 2 << 20), [],
                "editor failed PUT /api/v1/jobs/{name} body is larger than"),
            ("editor", "POST", "/api/v1/session", """{"name":"nobody","password":"a wrong password"}""", [],
                " refused POST /api/v1/session name or password are wrong"),
        ];

        foreach (var (who, method, path, body, headers, _) in attacks)
        {
            var (status, answer) = await access.AskAsync(who, method, path, body.Length > 0 ? body : null, headers: headers);
            Assert.True(status is 401 or 403 or 413, $"{method} {path}: {status} {answer}");
        }

        var records = await access.AuditAsync(record => $"{record["detail"]}" == "name or password are wrong");
        var told = records.Select(record => Text(record!, "who", "outcome", "act", "detail")).ToList();
        Assert.All(attacks, attack => Assert.Contains(told, line => line.StartsWith(attack.Expected, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Unknown_paths_are_recorded_as_one_act()
    {
        for (var n = 0; n < 5; n++)
        {
            await access.AskAsync("dts_wrong", n % 2 == 0 ? "GET" : "POST", $"/api/v1/no-such-path-{n}");
        }

        var records = await access.AuditAsync(record => $"{record["act"]}" == "(no such path)");

        var told = records.Where(one => $"{one!["target"]}".Contains("no-such-path-") && !$"{one["detail"]}".Contains("more times in"));
        Assert.Equal("GET /api/v1/no-such-path-0", Text(Assert.Single(told)!, "target"));
    }

    [Fact]
    public async Task A_change_of_an_alert_rule_is_recorded()
    {
        await access.AskAsync("editor", "PUT", "/api/v1/alerts/rules/oncall", """{"channel":"pager"}""");
        await access.AskAsync("admin", "DELETE", "/api/v1/alerts/rules/oncall");

        const string delete = "DELETE /api/v1/alerts/rules/{name}";
        var records = await access.AuditAsync(Is(delete, "oncall"));

        Assert.Equal("editor refused", Text(Find(records, "PUT /api/v1/alerts/rules/{name}", "oncall"), "who", "outcome"));
        Assert.Equal("admin failed", Text(Find(records, delete, "oncall"), "who", "outcome"));
    }

    private static Func<JsonNode, bool> Is(string act, string target, string who = "") =>
        record => $"{record["act"]}" == act && $"{record["target"]}" == target && (who.Length == 0 || $"{record["who"]}" == who);

    private static JsonNode Find(JsonArray records, string act, string target, string who = "") =>
        records.First(record => Is(act, target, who)(record!))!;

    private static string Text(JsonNode record, params string[] members) =>
        string.Join(' ', members.Select(member => $"{record[member]}"));
}

/// <summary>A master that asks nobody who they are records attempts, too.</summary>
public sealed class OpenMasterAuditTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    [Fact]
    public async Task A_foreign_host_name_for_our_address_is_refused_and_recorded()
    {
        await master.LogStore.WriteAsync([Some.Record(0)], CancellationToken.None); // The trail is in its file.
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs/any/run");
        request.Headers.Host = "evil.example";
        using var refused = await master.Http.SendAsync(request);

        Assert.Equal(403, (int)refused.StatusCode);
        await Patience.Until(
            () => AuditAsync().GetAwaiter().GetResult().Any(
                record => $"{record!["who"]} {record["act"]} {record["target"]} {record["outcome"]} {record["detail"]}".StartsWith(
                    " POST /api/v1/jobs/{name}/run any refused host \"evil.example\" is not ours", StringComparison.Ordinal)),
            master.Said);
    }

    private async Task<JsonArray> AuditAsync() =>
        JsonNode.Parse(await master.Http.GetStringAsync("/api/v1/audit"))!["records"]!.AsArray();
}
