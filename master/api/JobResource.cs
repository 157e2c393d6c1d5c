using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Api;

/// <summary>One job: delete, run, pause, resume, kill.</summary>
internal sealed class JobResource(JobStore jobs)
{
    private const int RunBytesMax = 64 << 10;

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapDelete("/jobs/{name}", async (string name, string? kill, CancellationToken cancel) =>
        {
            var (job, isKill) = (await jobs.ResolveAsync(Query.Name(name), cancel), Query.Flag("kill", kill));
            var deleted = await jobs.DeleteAsync(job, cancel) ?? throw NoSuchJob(name);
            if (isKill)
            {
                await jobs.KillAsync(job, KillRequest.All, cancel);
            }

            return deleted;
        }).WithSummary("Deletes a job and answers it");

        v1.MapPost("/jobs/{name}/run", async (string name, HttpContext http, CancellationToken cancel) =>
        {
            var request = RunRequest.Parse(await RequestBody.ReadTypedAsync(http, RunBytesMax, "application/json"));
            var job = await jobs.ResolveAsync(Query.Name(name), cancel);
            var runId = await jobs.RunAsync(job, request.Worker, request.Env, cancel) ?? throw NoSuchJob(name);
            return TypedResults.Accepted(
                $"/api/v1/runs/{Uri.EscapeDataString(job)}/{Uri.EscapeDataString(runId)}", new RunAsked(job, runId));
        }).WithSummary("Runs a job now");

        v1.MapPost("/jobs/{name}/kill", async (string name, string? runId, CancellationToken cancel) =>
        {
            var request = KillRequest.All with { RunId = Query.RunId(runId ?? "") };
            var job = await jobs.ResolveAsync(Query.Name(name), cancel);
            await jobs.KillAsync(job, request, cancel);
            return TypedResults.Accepted((string?)null, new KillAsked(job, request.RunId.Length > 0 ? request.RunId : null));
        }).WithSummary("Ends the runs of a job, or one of them");

        v1.MapPost("/jobs/{name}/pause", (string name, CancellationToken cancel) => EnableAsync(name, false, cancel))
            .WithSummary("Pauses a job and answers it");
        v1.MapPost("/jobs/{name}/resume", (string name, CancellationToken cancel) => EnableAsync(name, true, cancel))
            .WithSummary("Resumes a job and answers it");
    }

    private async Task<Job> EnableAsync(string name, bool enabled, CancellationToken cancel) =>
        await jobs.EnableAsync(await jobs.ResolveAsync(Query.Name(name), cancel), enabled, cancel) is { } former
            ? former with { Enabled = enabled }
            : throw NoSuchJob(name);

    private static Refusal NoSuchJob(string name) =>
        Refusal.NotFound($"name \"{Display.Line(name)}\" is no job; expected one that is saved");
}

/// <param name="RunId">The run that was asked for, named within its job.</param>
internal sealed record RunAsked(string JobName, string RunId);

/// <param name="RunId">The run whose end was asked for; null = all runs of the job.</param>
internal sealed record KillAsked(string JobName, string? RunId);
