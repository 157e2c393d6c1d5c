using System.Text.Json.Nodes;
using Dts.Master.Access;
using Dts.Master.Api;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Each role at each path, with own and with foreign jobs.</summary>
public sealed class RoleTests(AccessMaster access) : IClassFixture<AccessMaster>
{
    /// <summary>Paths that change something, or are for admins; all others are for viewers.</summary>
    private static readonly Dictionary<string, Role> Roles = new()
    {
        ["PUT /jobs/{name}"]                                = Role.Editor,
        ["PATCH /jobs/{name}"]                              = Role.Editor,
        ["DELETE /jobs/{name}"]                             = Role.Editor,
        ["POST /jobs/{name}/pause"]                         = Role.Operator,
        ["POST /jobs/{name}/resume"]                        = Role.Operator,
        ["POST /jobs/{name}/run"]                           = Role.Operator,
        ["POST /jobs/{name}/kill"]                          = Role.Operator,
        ["POST /jobs/{name}/versions/{revision}/restore"]   = Role.Editor,
        ["POST /jobs/pause"]                                = Role.Operator,
        ["POST /jobs/resume"]                               = Role.Operator,
        ["POST /jobs/run"]                                  = Role.Operator,
        ["POST /jobs/kill"]                                 = Role.Operator,
        ["POST /jobs/delete"]                               = Role.Editor,
        ["POST /runs/{job}/{runId}/kill"]                   = Role.Operator,
        ["POST /import"]                                    = Role.Editor,
        ["POST /apply"]                                     = Role.Editor,
        ["GET /users"]                                      = Role.Admin,
        ["PUT /alerts/rules/{name}"]                        = Role.Admin,
        ["DELETE /alerts/rules/{name}"]                     = Role.Admin,
        ["POST /alerts/channels/{name}/test"]               = Role.Admin,
        ["POST /alerts/mutes"]                              = Role.Operator,
        ["DELETE /alerts/mutes/{id}"]                       = Role.Operator,
        ["POST /workers/{id}/drain"]                        = Role.Operator,
        ["POST /workers/{id}/undrain"]                      = Role.Operator,
        ["POST /users"]                                     = Role.Admin,
        ["PATCH /users/{name}"]                             = Role.Admin,
        ["DELETE /users/{name}"]                            = Role.Admin,
        ["GET /tokens"]                                     = Role.Admin,
        ["POST /tokens"]                                    = Role.Admin,
        ["DELETE /tokens/{name}"]                           = Role.Admin,
        ["GET /audit"]                                      = Role.Admin,
    };

    private static readonly string[] ForAnyone = ["POST /session"];

    private static readonly string[] OfAll = ["DELETE /session", "PUT /me/password"];

    [Fact]
    public void Every_path_that_changes_something_has_a_role_in_this_table() => Assert.Empty(
        ApiExamples.All.Keys
            .Where(key => !key.StartsWith("GET ", StringComparison.Ordinal))
            .Except([.. Roles.Keys, .. ForAnyone, .. OfAll]));

    [Fact]
    public async Task Each_path_is_open_to_its_role_and_higher_ones_only()
    {
        List<string> wrong = [];
        foreach (var (key, example) in ApiExamples.All.Where(one => !ForAnyone.Contains(one.Key)))
        {
            var (method, path) = (key.Split(' ')[0], PathOf(example.Path, "own"));
            if ((await access.AskAsync(null, method, path, example.Body, example.Type)).Status != 401)
            {
                wrong.Add($"{key} as nobody is not refused");
            }

            foreach (var role in Enum.GetValues<Role>())
            {
                var isAllowed = role >= Roles.GetValueOrDefault(key, Role.Viewer);
                if (isAllowed && method == "DELETE")
                {
                    continue; // What they delete is needed below; the refusals are what this is about.
                }

                var (status, body) = await access.AskAsync(role.Word(), method, path, example.Body, example.Type);
                var isRefused = status == 403 && body.Contains($"role of {role.Word()} is", StringComparison.Ordinal);
                if (isRefused == isAllowed || status == 401)
                {
                    wrong.Add($"{key} as {role.Word()}: {status} {body}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    [Theory]
    [InlineData("POST", "/job/save",    "editor")]
    [InlineData("POST", "/job/delete",  "editor")]
    [InlineData("POST", "/job/kill",    "operator")]
    [InlineData("GET",  "/job/list",    "viewer")]
    [InlineData("GET",  "/job/log",     "viewer")]
    [InlineData("GET",  "/worker/list", "viewer")]
    public async Task The_original_paths_have_roles_too(string method, string path, string least)
    {
        Assert.Equal(401, (await access.AskAsync(null, method, path)).Status);
        foreach (var role in Enum.GetValues<Role>())
        {
            var isAllowed = role >= Dts.Master.Access.Roles.Find(least);
            Assert.Equal(isAllowed ? 200 : 403, (await access.AskAsync(role.Word(), method, path)).Status);
        }
    }

    [Fact]
    public async Task A_job_outside_the_filter_does_not_exist_on_any_path()
    {
        List<string> wrong = [];
        foreach (var (key, example) in ApiExamples.All)
        {
            if (!key.Contains(" /jobs/{name}", StringComparison.Ordinal) && !key.Contains(" /runs/{job}", StringComparison.Ordinal))
            {
                continue;
            }

            var role = Roles.GetValueOrDefault(key, Role.Viewer).Word();
            var method = key.Split(' ')[0];
            var (own, ofOwn) = await access.AskAsync($"{role} limited", method, PathOf(example.Path, "own"), example.Body, example.Type);
            var (foreign, ofForeign) = await access.AskAsync(
                $"{role} limited", method, PathOf(example.Path, "foreign"), example.Body, example.Type);
            if (ofForeign.Contains("hunter2", StringComparison.Ordinal)
                || foreign != 404
                || ofOwn.Contains("is not a job; expected a saved one", StringComparison.Ordinal))
            {
                wrong.Add($"{key}: own {own} {ofOwn}, foreign {foreign} {ofForeign}");
            }

            await access.SaveAsync("own", "pay");
        }

        Assert.Empty(wrong);
        Assert.Equal(200, (await access.AskAsync("viewer", "GET", "/api/v1/jobs/foreign")).Status);
    }

    [Theory]
    [InlineData("/api/v1/jobs")]
    [InlineData("/api/v1/now")]
    [InlineData("/api/v1/runs?filter=state:queued")]
    [InlineData("/api/v1/export")]
    [InlineData("/api/v1/export?format=yaml")]
    [InlineData("/api/v1/ledger?endings=succeeded,failed,missed")]
    [InlineData("/job/list")]
    [InlineData("/job/log?name=foreign")]
    public async Task Lists_contain_only_jobs_within_the_filter(string path)
    {
        await access.AskAsync("admin", "POST", "/api/v1/jobs/foreign/run");

        var (status, body) = await access.AskAsync("viewer limited", "GET", path);

        Assert.Equal(200, status);
        var told = body.Replace("name \\\"foreign\\\" is not a job", "", StringComparison.Ordinal);
        Assert.DoesNotContain("foreign", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bulk_requests_reach_only_jobs_within_the_filter()
    {
        var (_, body) = await access.AskAsync("editor limited", "POST", "/api/v1/jobs/delete?dryRun=true&filter=label:team");

        Assert.Equal(["own"], JsonNode.Parse(body)!["jobs"]!.AsArray().Select(job => (string?)job!["name"]));
    }

    [Theory]
    // a save that would leave the filter, or enter it from outside
    [InlineData("PUT",   "/api/v1/jobs/new",  """{"command":"true","cronExpr":"@daily"}""",                             403)]
    [InlineData("PUT",   "/api/v1/jobs/own",  """{"command":"true","cronExpr":"@daily","labels":{"team":"ops"}}""",     403)]
    [InlineData("PATCH", "/api/v1/jobs/own",  """{"labels":{"team":"ops"}}""",                                          403)]
    [InlineData("PATCH", "/api/v1/jobs/own",  """{"labels":null}""",                                                    403)]
    [InlineData("PATCH", "/api/v1/jobs/foreign", """{"labels":{"team":"pay"}}""",                                       404)]
    [InlineData("POST",  "/api/v1/apply",     """[{"name":"foreign","command":"true","cronExpr":"@daily"}]""",          403)]
    [InlineData("POST",  "/api/v1/apply",     """[{"name":"own","command":"true","cronExpr":"@daily"}]""",              403)]
    // running a foreign job by way of an own one
    [InlineData("PATCH", "/api/v1/jobs/own",  """{"then":["foreign"]}""",                                               403)]
    [InlineData("PATCH", "/api/v1/jobs/own",  """{"always":["not-there-yet"]}""",                                       403)]
    // what only an admin sets
    [InlineData("PATCH", "/api/v1/jobs/own",  """{"user":"root"}""",                                                    403)]
    [InlineData("PATCH", "/api/v1/jobs/own",  """{"target":{"workers":["w1"]}}""",                                      403)]
    // a worker runs the jobs of all
    [InlineData("POST",  "/api/v1/workers/w1/drain",   "{}",                                                            403)]
    [InlineData("POST",  "/api/v1/workers/w1/undrain", "{}",                                                            403)]
    // what an editor does all day
    [InlineData("PATCH", "/api/v1/jobs/own",  """{"timeoutSeconds":60}""",                                              200)]
    [InlineData("PATCH", "/api/v1/jobs/own",  """{"labels":{"stage":"live"}}""",                                        200)]
    public async Task A_limited_editor_changes_only_jobs_within_the_filter(string method, string path, string body, int expected)
    {
        var (status, answer) = await access.AskAsync("editor limited", method, path, body);

        Assert.True(status == expected, $"{status} {answer}");
        Assert.Equal(404, (await access.AskAsync("admin", "GET", "/api/v1/jobs/new")).Status);
    }

    [Fact]
    public async Task No_path_shows_a_jobs_variables_to_viewers()
    {
        var (_, versions) = await access.AskAsync("admin", "GET", "/api/v1/jobs/own/versions");
        var revision = (long)JsonNode.Parse(versions)!["versions"]![0]!["revision"]!;
        string[] paths =
        [
            "/api/v1/jobs/own", $"/api/v1/jobs/own/versions/{revision}", $"/api/v1/jobs/own/versions/{revision}/diff?to={revision}",
            "/api/v1/export", "/api/v1/export?format=yaml", "/job/list",
        ];
        await access.AskAsync("admin", "PATCH", "/api/v1/jobs/own", """{"env":{"PASSWORD":"hunter2","OTHER":"hunter2"}}""");
        var (_, diff) = await access.AskAsync("viewer", "GET", $"/api/v1/jobs/own/versions/{revision}/diff");

        Assert.Contains("•••", diff, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", diff, StringComparison.Ordinal);
        foreach (var path in paths)
        {
            Assert.DoesNotContain("hunter2", (await access.AskAsync("viewer", "GET", path)).Body, StringComparison.Ordinal);
        }

        Assert.Contains("•••", (await access.AskAsync("viewer", "GET", "/api/v1/jobs/own")).Body, StringComparison.Ordinal);
        Assert.Contains("hunter2", (await access.AskAsync("operator", "GET", "/api/v1/jobs/own")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Variables_for_one_run_need_an_editor()
    {
        const string body = """{"env":{"BASH_ENV":"/tmp/x"}}""";

        Assert.Equal(403, (await access.AskAsync("operator", "POST", "/api/v1/jobs/own/run", body)).Status);
        Assert.Equal(202, (await access.AskAsync("editor", "POST", "/api/v1/jobs/own/run", body)).Status);
        Assert.Equal(202, (await access.AskAsync("operator", "POST", "/api/v1/jobs/own/run")).Status);
    }

    /// <summary>The example's path with another job in it.</summary>
    private static string PathOf(string path, string job) => path
        .Replace("/jobs/hello", $"/jobs/{job}", StringComparison.Ordinal)
        .Replace("/jobs/backup", $"/jobs/{job}", StringComparison.Ordinal)
        .Replace("/runs/hello", $"/runs/{job}", StringComparison.Ordinal);
}
