using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Api;

/// <summary>An example of each operation below /api/v1, for the description.</summary>
/// <remarks>
/// OpenApiTests calls them in the order of this table. There the job hello is saved, and its run 20261122T100000Z is in the log.
/// </remarks>
internal static class ApiExamples
{
    private const string Run = "/api/v1/runs/hello/20261122T100000Z";

    public static readonly IReadOnlyDictionary<string, ApiExample> All = new Dictionary<string, ApiExample>
    {
        ["PUT /jobs/{name}"] = new(
            "/api/v1/jobs/backup", 201, """{"command":"pg_dump shop","cronExpr":"0 3 * * *"}""", Schema: typeof(Job)) { IsPart = true },
        ["GET /jobs/{name}"] = new("/api/v1/jobs/hello"),
        ["PATCH /jobs/{name}"] = new(
            "/api/v1/jobs/backup", 200, """{"timeoutSeconds":3600,"labels":{"team":"pay"}}""", "application/merge-patch+json", typeof(Job))
        {
            IsPart = true,
        },
        ["POST /jobs/{name}/pause"] = new("/api/v1/jobs/backup/pause"),
        ["POST /jobs/{name}/resume"] = new("/api/v1/jobs/backup/resume"),
        ["POST /jobs/{name}/run"] = RunOf("/api/v1/jobs/backup/run", 202),
        ["POST /jobs/{name}/kill"] = KillOf("/api/v1/jobs/backup/kill", 202),
        ["GET /jobs/{name}/ledger"] = new("/api/v1/jobs/hello/ledger?from=2026-11-22T09:00:00Z&to=2026-11-22T11:00:00Z"),
        ["GET /jobs/{name}/stats"] = new("/api/v1/jobs/hello/stats?days=7"),
        ["GET /jobs/{name}/versions"] = new("/api/v1/jobs/hello/versions"),
        ["GET /jobs/{name}/versions/{revision}"] = new("/api/v1/jobs/hello/versions/2"),
        ["GET /jobs/{name}/versions/{revision}/diff"] = new("/api/v1/jobs/hello/versions/2/diff"),
        ["POST /jobs/{name}/versions/{revision}/restore"] = new("/api/v1/jobs/hello/versions/2/restore"),
        ["GET /ledger"] = new("/api/v1/ledger?from=2026-11-22T09:00:00Z&to=2026-11-22T11:00:00Z&endings=missed,lost"),
        ["GET /jobs"] = new("/api/v1/jobs?filter=state:failing+label:team%3Dpay&sort=next"),
        ["GET /me"] = new("/api/v1/me"),
        ["PUT /me/password"] = new("/api/v1/me/password", 409, """{"password":"the old password","new":"a new and longer one"}"""),
        ["GET /audit"] = new("/api/v1/audit?filter=outcome:done&limit=10"),
        ["POST /users"] = new("/api/v1/users", 201, """{"name":"mara","role":"editor","password":"correct horse battery"}"""),
        ["GET /users"] = new("/api/v1/users"),
        ["PATCH /users/{name}"] = new("/api/v1/users/mara", 200, """{"role":"operator","filter":"label:team=pay"}"""),
        ["POST /session"] = new("/api/v1/session", 200, """{"name":"mara","password":"correct horse battery"}"""),
        ["DELETE /session"] = new("/api/v1/session", 204),
        ["DELETE /users/{name}"] = new("/api/v1/users/mara", 204),
        ["POST /tokens"] = new("/api/v1/tokens", 201, """{"name":"grafana","role":"viewer","endsAt":"2027-01-01"}"""),
        ["GET /tokens"] = new("/api/v1/tokens"),
        ["DELETE /tokens/{name}"] = new("/api/v1/tokens/grafana", 204),
        ["GET /now"] = new("/api/v1/now"),
        ["POST /jobs/pause"] = new("/api/v1/jobs/pause?filter=label:team%3Dpay&dryRun=true"),
        ["POST /jobs/resume"] = new("/api/v1/jobs/resume?filter=label:team%3Dpay&dryRun=true"),
        ["POST /jobs/run"] = RunOf("/api/v1/jobs/run?filter=label:team%3Dpay&dryRun=true", 200),
        ["POST /jobs/kill"] = KillOf("/api/v1/jobs/kill?filter=label:team%3Dpay&dryRun=true", 200),
        ["POST /jobs/delete"] = new("/api/v1/jobs/delete?filter=label:team%3Dpay&dryRun=true"),
        ["GET /runs"] = new("/api/v1/runs?filter=job:hello+ending:failed&limit=10"),
        ["POST /runs/{job}/{runId}/kill"] = KillOf($"{Run}/kill", 409),
        ["GET /runs/{job}/{runId}"] = new(Run),
        ["GET /runs/{job}/{runId}/output"] = new($"{Run}/output"),
        ["GET /schedule"] = new("/api/v1/schedule?from=2026-11-22T00:00:00Z&to=2026-11-23T00:00:00Z"),
        ["GET /schedule/preview"] = new("/api/v1/schedule/preview?expr=0+3+*+*+1-5&zone=Europe/Berlin"),
        ["POST /import"] = new(
            "/api/v1/import?dryRun=true&format=user", 200, "30 2 * * 1-5 /usr/local/bin/backup --full\n", "text/plain"),
        ["POST /apply"] = new(
            "/api/v1/apply?dryRun=true",
            200,
            """[{"name":"backup","command":"pg_dump shop","cronExpr":"0 3 * * *"}]""",
            Schema: typeof(IReadOnlyList<Job>))
        {
            OtherTypes = ["application/yaml", "application/x-ndjson"],
        },
        ["GET /export"] = new("/api/v1/export?format=yaml"),
        ["GET /workers"] = new("/api/v1/workers"),
        ["POST /workers/{id}/drain"] = new("/api/v1/workers/w9/drain", 404),
        ["POST /workers/{id}/undrain"] = new("/api/v1/workers/w9/undrain", 404),
        ["GET /status"] = new("/api/v1/status"),
        ["GET /alerts"] = new("/api/v1/alerts"),
        ["GET /alerts/rules"] = new("/api/v1/alerts/rules"),
        ["PUT /alerts/rules/{name}"] = new(
            "/api/v1/alerts/rules/oncall", 422, """{"channel":"pager","filter":"label:team=data","on":["failing"],"after":3}"""),
        ["DELETE /alerts/rules/{name}"] = new("/api/v1/alerts/rules/oncall", 404),
        ["POST /alerts/channels/{name}/test"] = new("/api/v1/alerts/channels/pager/test", 404),
        ["POST /alerts/mutes"] = new(
            "/api/v1/alerts/mutes", 409, """{"filter":"job:backup","reason":"the disk is being replaced"}""", Schema: typeof(MuteRequest)),
        ["DELETE /alerts/mutes/{id}"] = new("/api/v1/alerts/mutes/0badc0de0001", 404),
        ["GET /events"] = new("/api/v1/events?filter=label:team%3Dpay+ending:failed"),
        ["DELETE /jobs/{name}"] = new("/api/v1/jobs/backup"),
    };

    private static ApiExample RunOf(string path, int status) =>
        new(path, status, """{"env":{"FULL":"yes"}}""", Schema: typeof(RunRequest)) { NeedsBody = false };

    private static ApiExample KillOf(string path, int status) =>
        new(path, status, """{"reason":"the disk is full"}""", Schema: typeof(KillBody)) { NeedsBody = false };
}

/// <param name="Path">With its query.</param>
/// <param name="Status">Of the answer.</param>
/// <param name="Schema">The type of the body; null = a text.</param>
internal sealed record ApiExample(
    string Path, int Status = 200, string? Body = null, string Type = "application/json", Type? Schema = null)
{
    public bool NeedsBody { get; init; } = true;

    /// <summary>The body may leave out members that the type requires.</summary>
    public bool IsPart { get; init; }

    /// <summary>Media types that are texts with the same content.</summary>
    public IReadOnlyList<string>? OtherTypes { get; init; }
}
