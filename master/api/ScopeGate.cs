using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Audit;
using Dts.Master.Jobs;
using Dts.Master.Versions;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>Answers 404 for a job that the caller's filter does not match, before the handlers of paths that name a job.</summary>
/// <remarks>
/// Handlers of lists check each job themselves. If the view shows a matching job, the request passes without a read. Otherwise etcd
/// decides, so that a job is visible as soon as it is saved.
/// </remarks>
internal sealed class ScopeGate(ClusterView view, JobStore jobs, FormerJobs former)
{
    public async Task CheckAsync(HttpContext http, RequestDelegate next)
    {
        var caller = Caller.Of(http);
        var place = http.Request.RouteValues;
        if (!caller.Scope.IsEverything
            && http.GetEndpoint()?.Metadata.GetMetadata<RequiredRole>() is not null
            && (place.GetValueOrDefault("job") ?? (IsOfJobs(http) ? place.GetValueOrDefault("name") : null)) is string text
            && JobName.TryParse(text, out var given, out _)
            && !await MaySeeAsync(http, caller, given))
        {
            AuditNotes.Of(http).IsHidden = true;
            throw JobSaves.NoSuchJob(given);
        }

        await next(http);
    }

    private static bool IsOfJobs(HttpContext http) => http.Request.Path.StartsWithSegments("/api/v1/jobs");

    private async Task<bool> MaySeeAsync(HttpContext http, Caller caller, JobName given)
    {
        if (view.Take(state => state.Jobs.Find(given.Value) is { } job && caller.MaySee(job)))
        {
            return true;
        }

        var name = await jobs.ResolveAsync(given, http.RequestAborted);
        var stored = await jobs.FindStoredAsync(name, http.RequestAborted);
        if (stored.Exists)
        {
            return stored.Job is { } job && caller.MaySee(job);
        }

        return await former.FindAsync(name, http.RequestAborted) switch
        {
            FormerJob.Known(var last) => caller.MaySee(last),
            FormerJob.Nobody => HttpMethods.IsPut(http.Request.Method), // A new job is checked when it is saved.
            _ => false,
        };
    }
}
