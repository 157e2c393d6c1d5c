using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>What the original's paths have no room for: run now, kill one run, pause, resume, the ledger, and what is in flight.</summary>
internal sealed class JobApi(
    JobStore jobs, WorkerList workers, RunList runs, ILogReader store, RequestGate gate, CronZone defaultZone, TimeProvider time)
{
    private const string Everything = "";
    private const int RunBytesMax = 64 << 10;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/v1/jobs/{name}/run", gate.Guard(async http =>
        {
            var request = await ReadRequestAsync(http);
            var runId = await jobs.RunAsync(await NameOfAsync(http), request.Worker, request.Env, http.RequestAborted);
            await Answer.SucceedAsync(http, runId ?? throw NoSuchJob(http), ApiJson.Readable.String);
        }));

        routes.MapPost("/api/v1/jobs/{name}/kill", gate.Guard(async http =>
        {
            var runId = http.Request.Query["runId"].FirstOrDefault() ?? Everything;
            if (runId.Contains('/'))
            {
                throw new FormatException($"runId is \"{Display.Line(runId)}\"; expected a run's id");
            }

            await jobs.KillAsync(await NameOfAsync(http), KillRequest.All with { RunId = runId }, http.RequestAborted);
            await Answer.SucceedAsync(http);
        }));

        routes.MapPost("/api/v1/jobs/{name}/pause", Enable(false));
        routes.MapPost("/api/v1/jobs/{name}/resume", Enable(true));

        routes.MapDelete("/api/v1/jobs/{name}", gate.Guard(async http =>
        {
            var name = await NameOfAsync(http);
            var deleted = await jobs.DeleteAsync(name, http.RequestAborted);
            if (http.Request.Query["kill"] == "true")
            {
                await jobs.KillAsync(name, KillRequest.All, http.RequestAborted);
            }

            await Answer.SucceedAsync(http, deleted, ApiJson.Readable.Job!);
        }));

        routes.MapGet("/api/v1/jobs/{name}/ledger", gate.Guard(async http =>
        {
            var now = time.GetUtcNow();
            var to = Moment(http, "to", now);
            var from = Moment(http, "from", Ledger.DayBefore(to));
            var lines = Ledger.FindFault(from, to) is { } fault
                ? throw new FormatException(fault)
                : await jobs.ReadLedgerAsync(store, defaultZone, await NameOfAsync(http), from, to, now, http.RequestAborted);
            await Answer.SucceedAsync(http, lines, ApiJson.Readable.IReadOnlyListLedgerLine);
        }));

        routes.MapGet("/api/v1/runs", gate.Guard(async http =>
            await Answer.SucceedAsync(http, await runs.ListAsync(http.RequestAborted), ApiJson.Readable.IReadOnlyListRunInSight)));
        routes.MapGet("/api/v1/workers", gate.Guard(async http =>
            await Answer.SucceedAsync(
                http, await workers.ListAsync(http.RequestAborted), ApiJson.Readable.IReadOnlyDictionaryStringWorkerRegistration)));
    }

    private RequestDelegate Enable(bool enabled) => gate.Guard(async http =>
        await Answer.SucceedAsync(
            http,
            await jobs.EnableAsync(await NameOfAsync(http), enabled, http.RequestAborted) ?? throw NoSuchJob(http),
            ApiJson.Readable.Job));

    private Task<JobName> NameOfAsync(HttpContext http) => jobs.ResolveAsync(NameOf(http), http.RequestAborted);

    private static JobName NameOf(HttpContext http) => JobName.Parse((string?)http.Request.RouteValues["name"] ?? "");

    private static FormatException NoSuchJob(HttpContext http) =>
        new($"name \"{Display.Line(NameOf(http).Value)}\" is no job; expected one that is saved");

    private static DateTimeOffset Moment(HttpContext http, string field, DateTimeOffset fallback)
    {
        var text = http.Request.Query[field].FirstOrDefault();
        return text is null
            ? fallback
            : QueryTime.Parse(text) ?? throw new FormatException($"{field} is \"{Display.Line(text)}\"; expected {QueryTime.Expected}");
    }

    private static async Task<RunRequest> ReadRequestAsync(HttpContext http)
    {
        using var body = await RequestBody.ReadAsync(http, RunBytesMax, "JSON");
        return RunRequest.Parse(body.GetBuffer().AsMemory(0, (int)body.Length));
    }
}
