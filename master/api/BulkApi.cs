using System.ComponentModel;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>One act on all jobs that match a filter.</summary>
internal sealed class BulkApi(ClusterView view, JobStore jobs, RunRequests runs, TimeProvider time)
{
    private const int JobsMax = 1000;
    private const int AtOnce = 8;
    private const int BodyBytesMax = 4 << 10;
    private const string Json = "application/json";
    internal const string Which = "Which jobs: words that must all match, such as label:team=pay state:failing. Required";

    // Before the request's own deadline, so that the answer says what was done.
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(5);

    /// <summary>Performs the act on a job that the filter matches; returns the id of a run that it has asked for.</summary>
    internal delegate Task<string?> Act(JobName name, Filter filter, CancellationToken stop);

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapPost("/jobs/pause", ([Description(Which)] string? filter, string? dryRun, HttpContext http, CancellationToken cancel) =>
            ActAsync(http, filter, dryRun, "paused", ReadEnableAsync(http, enabled: false), cancel))
            .RequireRole(Role.Operator).WithSummary("Pauses all jobs that match a filter");
        v1.MapPost("/jobs/resume", ([Description(Which)] string? filter, string? dryRun, HttpContext http, CancellationToken cancel) =>
            ActAsync(http, filter, dryRun, "resumed", ReadEnableAsync(http, enabled: true), cancel))
            .RequireRole(Role.Operator).WithSummary("Resumes all jobs that match a filter");
        v1.MapPost("/jobs/run", ([Description(Which)] string? filter, string? dryRun, HttpContext http, CancellationToken cancel) =>
            ActAsync(http, filter, dryRun, "asked to run", ReadRunAsync(http), cancel))
            .RequireRole(Role.Operator).WithMetadata(ApiHeaders.Once)
            .WithSummary("Runs all jobs that match a filter now; the body is that of one job's run");
        v1.MapPost("/jobs/kill", ([Description(Which)] string? filter, string? dryRun, HttpContext http, CancellationToken cancel) =>
            ActAsync(http, filter, dryRun, "asked to end", ReadKillAsync(http), cancel))
            .RequireRole(Role.Operator).WithSummary("Ends the runs of all jobs that match a filter; the body may give a reason");
        v1.MapPost("/jobs/delete", ([Description(Which)] string? filter, string? dryRun, HttpContext http, CancellationToken cancel) =>
            ActAsync(http, filter, dryRun, "deleted", ReadDeleteAsync(http), cancel))
            .RequireRole(Role.Editor).WithSummary("Deletes all jobs that match a filter");
    }

    /// <param name="done">The outcome for each job, in words.</param>
    /// <param name="read">Reads the body.</param>
    private async Task<BulkAnswer> ActAsync(
        HttpContext http, string? filter, string? dryRun, string done, Task<Act> read, CancellationToken cancel)
    {
        var act = await read;
        return await PerformAsync(Caller.Of(http).Scope, filter, Query.Flag("dryRun", dryRun), done, act, cancel);
    }

    private async Task<Act> ReadEnableAsync(HttpContext http, bool enabled)
    {
        await RefuseBodyAsync(http);
        return (name, filter, stop) => ChangeAsync(
            name,
            filter,
            job => job.Job is null ? throw Unreadable(name) : jobs.EnableAsync(name, enabled, stop, job.Revision),
            stop);
    }

    private async Task<Act> ReadRunAsync(HttpContext http)
    {
        var (run, body) = await RunBody.ReadAsync(http, time.GetUtcNow());
        var key = RunRequests.KeyOf(http);
        return async (name, filter, stop) =>
        {
            _ = await FindMeantAsync(name, filter, stop);
            return (await runs.AskAsync(name, run, key, body, stop)).RunId;
        };
    }

    private async Task<Act> ReadKillAsync(HttpContext http)
    {
        var request = KillBody.Read(await RequestBody.ReadTypedAsync(http, BodyBytesMax, Json));
        if (request.RunId.Length > 0)
        {
            throw Refusal.Invalid("runId", request.RunId, "none: all runs of the jobs that match are meant");
        }

        return async (name, filter, stop) =>
        {
            _ = await FindMeantAsync(name, filter, stop);
            await jobs.Runs.KillAsync(name, request, stop);
            return null;
        };
    }

    private async Task<Act> ReadDeleteAsync(HttpContext http)
    {
        await RefuseBodyAsync(http);
        return DeleteAsync;
    }

    internal Task<string?> DeleteAsync(JobName name, Filter filter, CancellationToken stop) =>
        ChangeAsync(name, filter, job => jobs.ReplaceAsync(name, job.Revision, null, isTrial: false, stop), stop);

    private static async Task RefuseBodyAsync(HttpContext http)
    {
        using var body = await RequestBody.ReadAsync(http, BodyBytesMax, "no body");
        if (body.Length > 0)
        {
            throw new Refusal(Problem.Of(415, "body is not read here; expected none: the filter says which jobs are meant"));
        }
    }

    internal async Task<BulkAnswer> PerformAsync(
        Scope scope, string? filter, bool isDryRun, string done, Act act, CancellationToken cancel)
    {
        var now = time.GetUtcNow();
        var asked = JobListApi.ReadFilter(filter, now);
        if (asked.IsEverything)
        {
            throw Refusal.BadQuery("filter", filter ?? "", "words that say which jobs are meant, such as label:team=pay");
        }

        var meant = scope.Narrow(asked);
        var names = FindNames(meant, filter, now);
        if (isDryRun)
        {
            return new BulkAnswer(DryRun: true, [.. names.Select(name => new BulkRow(name, $"would be {done}"))]);
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        stop.CancelAfter(Within);
        var rows = new BulkRow[names.Count];
        await Parallel.ForAsync(0, names.Count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (i, _) =>
            rows[i] = await TryAsync(JobName.Parse(names[i]), done, name => act(name, meant, stop.Token), stop.Token));
        cancel.ThrowIfCancellationRequested();
        return new BulkAnswer(DryRun: false, rows);
    }

    private List<string> FindNames(Filter filter, string? text, DateTimeOffset now)
    {
        var names = view.Ask(state => state.Jobs.Sorted.Where(job => filter.Matches(job, state, now)).Select(job => job.Name).ToList());
        return names.Count <= JobsMax
            ? names
            : throw Refusal.BadQuery("filter", text!, $"a filter that at most {JobsMax} jobs match; {names.Count} match this one");
    }

    private static async Task<BulkRow> TryAsync(
        JobName name, string done, Func<JobName, Task<string?>> act, CancellationToken stop)
    {
        try
        {
            stop.ThrowIfCancellationRequested();
            return new BulkRow(name.Value, done, await act(name));
        }
        catch (Exception failure) when (failure is EtcdException or FormatException or Refusal or NotAllowedException)
        {
            return new BulkRow(name.Value, $"not {done}", Error: failure.Message);
        }
        catch (OperationCanceledException)
        {
            const string late = "etcd did not answer in time; look at the job before you repeat the call";
            return new BulkRow(name.Value, $"not {done}", Error: late);
        }
    }

    /// <summary>A job, if the filter still matches it: the view may not have the latest save yet.</summary>
    private async Task<StoredJob> FindMeantAsync(JobName name, Filter filter, CancellationToken stop)
    {
        var current = await jobs.FindStoredAsync(name, stop);
        return !current.Exists ? throw Gone(name)
            : current.Job is { } job && !filter.MayMatch(JobFace.Of(job))
                ? throw Refusal.Conflict($"job \"{name.Value}\" has just been changed, and the filter does not match it any more")
            : current;
    }

    /// <summary>Changes a job if the filter still matches it.</summary>
    private async Task<string?> ChangeAsync(
        JobName name, Filter filter, Func<StoredJob, Task<JobChange?>> change, CancellationToken stop)
    {
        while (true)
        {
            if (await change(await FindMeantAsync(name, filter, stop)) is not null)
            {
                return null;
            }
        }
    }

    private static Refusal Unreadable(JobName name) =>
        Refusal.NotFound($"name \"{name.Value}\" is not a job that can be read; it is damaged, and stays as it is");

    private static Refusal Gone(JobName name) => Refusal.NotFound($"name \"{name.Value}\" is not a job; it was deleted meanwhile");
}

internal sealed record BulkAnswer(bool DryRun, IReadOnlyList<BulkRow> Jobs);

/// <summary>The outcome for one job.</summary>
/// <param name="Outcome">Such as paused, would be paused, or not paused.</param>
/// <param name="RunId">The run that was asked for.</param>
/// <param name="Error">Why it was not done.</param>
internal sealed record BulkRow(string Name, string Outcome, string? RunId = null, string? Error = null);
