using System.Text;
using Dts.Common;
using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.AspNetCore.Http.Features;

namespace Dts.Master;

/// <summary>The six paths of the original system, with its forms, its envelope and its status 200 whatever happens.</summary>
internal sealed class OriginalApi(JobStore jobs, WorkerList workers, ILogStore store, RequestGate gate, CronZone defaultZone)
{
    /// <summary>Beyond this the connection is cut: nobody sends that by mistake.</summary>
    public const long BodyBytesReadMax = 64 << 20;

    private const int BodyBytesMax = 1 << 20;
    private static readonly FormOptions Limits = new() { BufferBody = false, BufferBodyLengthLimit = BodyBytesMax, ValueLengthLimit = BodyBytesMax, KeyLengthLimit = 1024 };

    private const int DefaultLimit = 20;
    private const int LimitMax = 1000;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.Map("/job/save", gate.Guard(async http =>
        {
            var text = await ReadFieldAsync(http, "job");
            if (!JobJson.TryParse(Encoding.UTF8.GetBytes(text), out var job, out var error))
            {
                throw new FormatException(error);
            }

            if (JobRules.FindFault(job, defaultZone) is { } fault)
            {
                throw new FormatException(fault);
            }

            await Answer.SucceedAsync(http, await jobs.SaveAsync(job, http.RequestAborted), DtsJson.Readable.Job!);
        }));

        routes.Map("/job/delete", gate.Guard(async http =>
        {
            var name = JobName.Parse(await ReadFieldAsync(http, "name"));
            await Answer.SucceedAsync(http, await jobs.DeleteAsync(name, http.RequestAborted), DtsJson.Readable.Job!);
        }));

        routes.Map("/job/kill", gate.Guard(async http =>
        {
            await jobs.KillAsync(JobName.Parse(await ReadFieldAsync(http, "name")), KillRequest.All, http.RequestAborted);
            await Answer.SucceedAsync(http);
        }));

        routes.Map("/job/list", gate.Guard(async http =>
            await Answer.SucceedAsync(http, await jobs.ListAsync(http.RequestAborted), DtsJson.Readable.IReadOnlyListJob)));

        routes.Map("/job/log", gate.Guard(async http =>
        {
            var form = await ReadFormAsync(http);
            var name = JobName.Parse(Find(http, form, "name"));
            var skip = int.TryParse(Find(http, form, "skip"), out var skipped) ? Math.Max(skipped, 0) : 0;
            var limit = int.TryParse(Find(http, form, "limit"), out var limited) && limited > 0 ? Math.Min(limited, LimitMax) : DefaultLimit;
            var records = await store.ListAsync(name, skip, limit, http.RequestAborted);
            await Answer.SucceedAsync(http, records, DtsJson.Readable.IReadOnlyListRunRecord);
        }));

        routes.Map("/worker/list", gate.Guard(async http =>
            await Answer.SucceedAsync(http, await workers.ListAddressesAsync(http.RequestAborted), DtsJson.Readable.IReadOnlyListString)));
    }

    private static async Task<string> ReadFieldAsync(HttpContext http, string field)
    {
        var form = await ReadFormAsync(http);
        return form?[field] is [{ } text, ..] ? text : throw new FormatException($"{field} is missing; expected a POST form with {field}=…");
    }

    /// <summary>The body's form if there is one. Multipart is not read, as in the original.</summary>
    private static async Task<IFormCollection?> ReadFormAsync(HttpContext http)
    {
        var type = http.Request.ContentType ?? "";
        if (!type.StartsWith("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        try
        {
            return await http.Request.ReadFormAsync(Limits, http.RequestAborted);
        }
        catch (InvalidDataException wrong)
        {
            // Read to the end, so that the client is there to read the answer.
            await http.Request.Body.CopyToAsync(Stream.Null, http.RequestAborted);
            throw new FormatException(http.Request.ContentLength > BodyBytesMax
                ? $"body is larger than {BodyBytesMax} bytes; expected a form of at most that"
                : $"form cannot be read ({wrong.Message}); expected at most {BodyBytesMax} bytes");
        }
    }

    private static string Find(HttpContext http, IFormCollection? form, string field) =>
        form?[field] is [{ } posted, ..] ? posted : http.Request.Query[field].FirstOrDefault() ?? "";
}
