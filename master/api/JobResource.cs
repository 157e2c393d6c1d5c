using System.ComponentModel;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Dts.Master.Api;

/// <summary>One job: get, save, change, delete, run, pause, resume, kill.</summary>
internal sealed class JobResource(JobStore jobs, JobSaves saves, RunRequests runs)
{
    private const int JobBytesMax = 1 << 20;
    private const int KillBytesMax = 4 << 10;
    private const string Json = "application/json";
    private const string Patch = "application/merge-patch+json";
    private const string ExpectedPatch = """a merge patch, {"member":value}""";
    private const string ExpectedJob = """an object such as {"command":"…","cronExpr":"…"}""";

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/jobs/{name}", GetAsync).RequireRole(Role.Viewer)
            .WithSummary("The definition of a job, with its revision as ETag").Produces(StatusCodes.Status304NotModified)
            .WithMetadata(ApiHeaders.OfCopies);
        v1.MapPut("/jobs/{name}", PutAsync).RequireRole(Role.Editor)
            .WithSummary("Creates a job, or replaces it").WithMetadata([.. ApiHeaders.OfChanges, ApiHeaders.Created]);
        v1.MapPatch("/jobs/{name}", PatchAsync).RequireRole(Role.Editor)
            .WithSummary("Changes members of a job (JSON merge patch, RFC 7396); null sets a member to its default")
            .WithMetadata(ApiHeaders.OfChanges);
        v1.MapDelete("/jobs/{name}", DeleteAsync).RequireRole(Role.Editor)
            .WithSummary("Deletes a job and returns it; its runs go on").WithMetadata(ApiHeaders.OfDeletion);
        v1.MapPost("/jobs/{name}/run", RunAsync).RequireRole(Role.Operator)
            .WithSummary("Runs a job now").WithMetadata(ApiHeaders.OfRuns);
        v1.MapPost("/jobs/{name}/kill", KillAsync).RequireRole(Role.Operator)
            .WithSummary("Ends the runs of a job, or one of them, also in the queue");
        v1.MapPost("/jobs/{name}/pause", (string name, HttpContext http, CancellationToken cancel) =>
            EnableAsync(http, name, false, cancel)).RequireRole(Role.Operator)
            .WithSummary("Pauses a job: it has no plan times until it is resumed").WithMetadata(ApiHeaders.OfChanges);
        v1.MapPost("/jobs/{name}/resume", (string name, HttpContext http, CancellationToken cancel) =>
            EnableAsync(http, name, true, cancel)).RequireRole(Role.Operator)
            .WithSummary("Resumes a job").WithMetadata(ApiHeaders.OfChanges);
    }

    private async Task<Results<Ok<Job>, StatusCodeHttpResult>> GetAsync(string name, HttpContext http, CancellationToken cancel)
    {
        var job = await NameAsync(name, cancel);
        var stored = await jobs.FindStoredAsync(job, cancel);
        SetTag(http, stored.Revision);
        return stored.Job is null ? throw JobSaves.NoSuchJob(job)
            : JobCondition.IsSeen(http.Request.Headers.IfNoneMatch, stored.Revision)
                ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
            : TypedResults.Ok(Caller.Of(http).Show(stored.Job));
    }

    private async Task<Results<Ok<SaveAnswer>, Created<SaveAnswer>>> PutAsync(
        string name, string? lenient, string? dryRun, HttpContext http, CancellationToken cancel)
    {
        var given = JsonBody.Parse(await RequestBody.ReadTypedAsync(http, JobBytesMax, Json), ExpectedJob);
        return await SaveAsync(http, name, given, _ => given.DeepClone().AsObject(), OptionsOf(http, lenient, dryRun), cancel);
    }

    private async Task<Results<Ok<SaveAnswer>, Created<SaveAnswer>>> PatchAsync(
        string name, string? lenient, string? dryRun, HttpContext http, CancellationToken cancel)
    {
        var given = JsonBody.Parse(await RequestBody.ReadTypedAsync(http, JobBytesMax, Patch, Json), ExpectedPatch);
        return await SaveAsync(http, name, given, Merge, OptionsOf(http, lenient, dryRun), cancel);

        JsonObject Merge(StoredJob current)
        {
            var next = JobMembers.ToObject(current.Job ?? throw JobSaves.NoSuchJob(Query.Name(name)));
            MergePatch.Apply(next, given);
            return next;
        }
    }

    private async Task<Results<Ok<Job>, NoContent>> DeleteAsync(
        string name,
        [Description("true ends its runs, too")] string? kill,
        HttpContext http,
        CancellationToken cancel)
    {
        var (job, isKill) = (await NameAsync(name, cancel), Query.Flag("kill", kill));
        var deleted = await saves.DeleteAsync(job, JobCondition.Of(http.Request.Headers), cancel);
        if (isKill)
        {
            await jobs.Runs.KillAsync(job, KillRequest.All, cancel);
        }

        return deleted is null ? TypedResults.NoContent() : TypedResults.Ok(deleted);
    }

    private async Task<Results<Ok<RunRecord>, Accepted<RunAsked>>> RunAsync(
        string name,
        [Description("Seconds to wait for the end of the run, at most 600; then the answer is its record")] string? wait,
        HttpContext http,
        CancellationToken cancel) =>
        await runs.RunAsync(http, await NameAsync(name, cancel), Query.Number("wait", wait, 0, 0, RunRequests.WaitSecondsMax));

    private async Task<Accepted<KillEffect>> KillAsync(
        string name,
        [Description("One run; without it all runs of the job")] string? runId,
        HttpContext http,
        CancellationToken cancel)
    {
        var request = KillBody.Read(await RequestBody.ReadTypedAsync(http, KillBytesMax, Json), runId);
        var job = await NameAsync(name, cancel);
        return await jobs.Runs.KillAsync(job, request, cancel, mustExist: true) is { } effect
            ? TypedResults.Accepted((string?)null, effect)
            : throw (request.RunId.Length > 0
                ? Refusal.NotFound($"run {job}/{request.RunId} is neither in flight nor in the queue")
                : JobSaves.NoSuchJob(job));
    }

    private static SaveOptions OptionsOf(HttpContext http, string? lenient, string? dryRun) =>
        new(JobCondition.Of(http.Request.Headers), Query.Flag("lenient", lenient), Query.Flag("dryRun", dryRun));

    private static void SetTag(HttpContext http, long revision)
    {
        if (revision > 0)
        {
            http.Response.Headers.ETag = JobCondition.TagOf(revision);
            http.Response.Headers.CacheControl = "private, no-cache"; // A browser asks each time whether its copy is current.
        }
    }

    private Task<JobName> NameAsync(string name, CancellationToken cancel) => jobs.ResolveAsync(Query.Name(name), cancel);

    private async Task<Results<Ok<SaveAnswer>, Created<SaveAnswer>>> SaveAsync(
        HttpContext http, string name, JsonObject given, Func<StoredJob, JsonObject> make, SaveOptions options, CancellationToken cancel)
    {
        var saved = await saves.SaveAsync(Query.Name(name), given, make, options, cancel);
        SetTag(http, saved.Revision);
        return saved.IsNew && !options.IsTrial
            ? TypedResults.Created($"/api/v1/jobs/{Uri.EscapeDataString(saved.Answer.Job.Name)}", saved.Answer)
            : TypedResults.Ok(saved.Answer);
    }

    private async Task<Job> EnableAsync(HttpContext http, string name, bool enabled, CancellationToken cancel)
    {
        var job = await NameAsync(name, cancel);
        var change = await saves.EnableAsync(job, enabled, JobCondition.Of(http.Request.Headers), cancel);
        SetTag(http, change.Revision);
        return change.Next ?? throw JobSaves.NoSuchJob(job);
    }
}
