using System.Net;
using System.Text;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Audit;
using Dts.Master.Jobs;
using Microsoft.AspNetCore.Http.Features;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>The six paths of the original system, with its forms and its envelope, which has status 200 also for errors.</summary>
internal sealed class OriginalApi(
    JobStore jobs, WorkerList workers, ILogReader store, VisibleJobs visible, RequestGate gate, CronZone defaultZone)
{
    private const int BodyBytesMax = 1 << 20;
    private static readonly FormOptions Limits = new()
    {
        BufferBody = false,
        BufferBodyLengthLimit = BodyBytesMax,
        ValueLengthLimit = BodyBytesMax,
        KeyLengthLimit = 1024,
    };

    private const int DefaultLimit = 20;
    private const int LimitMax = 1000;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/job/save", gate.Guard(async http =>
        {
            var text = await ReadFieldAsync(http, "job");
            if (!JobJson.TryParse(Encoding.UTF8.GetBytes(text), out var job, out var error))
            {
                throw new FormatException(error);
            }

            List<string> warnings = [];
            job = SaveRules.WithUnixLines(await jobs.WithStoredNamesAsync(job, warnings, http.RequestAborted), warnings);
            var isOfOldClient = JobMembers.AreThree(text);
            var former = await jobs.SaveAsync(
                JobName.Parse(job.Name),
                before => isOfOldClient && before is not null ? Merge(before, job) : Check(job),
                http.RequestAborted);
            await Envelope.SucceedAsync(http, former, ApiJson.Readable.Job!, warnings);
        })).RequireRole(Role.Editor);

        routes.MapPost("/job/delete", gate.Guard(async http =>
        {
            var name = await ReadNameAsync(http);
            await ThrowIfHiddenAsync(http, name);
            await Envelope.SucceedAsync(http, await jobs.DeleteAsync(name, http.RequestAborted), ApiJson.Readable.Job!);
        })).RequireRole(Role.Editor);

        routes.MapPost("/job/kill", gate.Guard(async http =>
        {
            var name = await ReadNameAsync(http);
            await ThrowIfHiddenAsync(http, name);
            await jobs.Runs.KillAsync(name, KillRequest.All, http.RequestAborted);
            await Envelope.SucceedAsync(http);
        })).RequireRole(Role.Operator);

        routes.Map("/job/list", gate.Guard(async http =>
            await gate.AnswerAsync(
                http, ShowAsync(jobs.ReadAsync(http.RequestAborted), Caller.Of(http)), ApiJson.Readable.Job, job => job.Name)))
            .RequireRole(Role.Viewer);

        routes.Map("/job/log", gate.Guard(async http =>
        {
            var form = await ReadFormAsync(http);
            var name = await jobs.ResolveAsync(JobName.Parse(Find(http, form, "name")), http.RequestAborted);
            await ThrowIfHiddenAsync(http, name);
            var skip = int.TryParse(Find(http, form, "skip"), out var skipped) ? Math.Max(skipped, 0) : 0;
            var limit = int.TryParse(Find(http, form, "limit"), out var limited) && limited > 0
                ? Math.Min(limited, LimitMax)
                : DefaultLimit;
            var found = await store.ListAsync(name, skip, limit, http.RequestAborted);
            var records = found.Select(record => visible.Show(Caller.Of(http), record)).ToList();
            await gate.AnswerAsync(http, records, ApiJson.Readable.RunRecord, record => record.Id);
        })).RequireRole(Role.Viewer);

        routes.Map("/worker/list", gate.Guard(async http =>
            await Envelope.SucceedAsync(http, await workers.ListAddressesAsync(http.RequestAborted), ApiJson.Readable.IReadOnlyListString)))
            .RequireRole(Role.Viewer);
    }

    /// <summary>Refuses a job that is hidden from the caller.</summary>
    private async Task ThrowIfHiddenAsync(HttpContext http, JobName name)
    {
        if (Caller.Of(http) is { Scope.IsEverything: false } caller
            && (await jobs.FindAsync(name, http.RequestAborted) is not { } job || !caller.MaySee(job)))
        {
            AuditNotes.Of(http).IsHidden = true;
            throw JobSaves.NoSuchJob(name);
        }
    }

    private static async IAsyncEnumerable<IReadOnlyList<Job>> ShowAsync(IAsyncEnumerable<IReadOnlyList<Job>> pieces, Caller caller)
    {
        await foreach (var piece in pieces)
        {
            yield return [.. piece.Where(caller.MaySee).Select(caller.Show)];
        }
    }

    /// <summary>
    /// The stored job with the members that a client of the original system sends. If the stored job's other members are wrong, they are
    /// dropped: such a client can neither see nor correct them.
    /// </summary>
    private Job Merge(Job before, Job sent)
    {
        var merged = before with { Command = sent.Command, CronExpr = sent.CronExpr };
        return SaveRules.FindFault(merged, defaultZone) is null ? merged : Check(sent);
    }

    private Job Check(Job job) => SaveRules.FindFault(job, defaultZone) is { } fault ? throw new FormatException(fault) : job;

    private async Task<JobName> ReadNameAsync(HttpContext http) =>
        await jobs.ResolveAsync(JobName.Parse(await ReadFieldAsync(http, "name")), http.RequestAborted);

    private static async Task<string> ReadFieldAsync(HttpContext http, string field)
    {
        var form = await ReadFormAsync(http);
        AuditNotes.Of(http).Target = field == "name" ? $"{form?[field]}" : "";
        return form?[field] is [{ } text, ..]
            ? text
            : throw new FormatException($"{field} is missing in {Describe(http, form)}; expected a POST form with {field}=…");
    }

    /// <summary>The body's form if there is one. Multipart is not read, as in the original.</summary>
    private static async Task<IFormCollection?> ReadFormAsync(HttpContext http)
    {
        var type = http.Request.ContentType ?? "";
        if (!type.StartsWith("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var body = await RequestBody.ReadAsync(http, BodyBytesMax, "a form");
        RequestBody.ThrowIfNotUtf8(type, WebUtility.UrlDecodeToBytes(body.GetBuffer(), 0, (int)body.Length));
        http.Request.Body = body;
        try
        {
            return await http.Request.ReadFormAsync(Limits, http.RequestAborted);
        }
        catch (InvalidDataException wrong)
        {
            throw new FormatException($"form cannot be read ({wrong.Message}); expected at most {BodyBytesMax} bytes");
        }
    }

    private static string Describe(HttpContext http, IFormCollection? form) =>
        form is { Count: > 0 } ? $"a form with {Display.Line(string.Join(", ", form.Keys))}"
        : form is not null ? "an empty form"
        : http.Request.ContentType is { Length: > 0 } type ? $"a body of type {Display.Line(type.Split(';')[0])}"
        : "a request without a form";

    private static string Find(HttpContext http, IFormCollection? form, string field) =>
        form?[field] is [{ } posted, ..] ? posted : http.Request.Query[field].FirstOrDefault() ?? "";
}
