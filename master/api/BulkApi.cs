using System.ComponentModel;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>One act on all jobs that match a filter.</summary>
internal sealed class BulkApi(ClusterView view, JobStore jobs, TimeProvider time)
{
    private const int JobsMax = 1000;
    private const int AtOnce = 8;
    private const int BodyBytesMax = 4 << 10;
    private const string Json = "application/json";
    internal const string Which = "Which jobs: words that must all match, such as label:team=pay state:failing. Required";
    internal const string Dry = "true = the answer says what would be done, and nothing is done";

    // Before the request's own deadline, so that the answer says what was done.
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(5);

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapPost("/jobs/pause", (
            [Description(Which)] string? filter, [Description(Dry)] string? dryRun, HttpContext http, CancellationToken cancel) =>
            EnableAsync(filter, dryRun, http, false, "paused", cancel))
            .RequireRole(Role.Operator).WithSummary("Pauses all jobs that match a filter");

        v1.MapPost("/jobs/resume", (
            [Description(Which)] string? filter, [Description(Dry)] string? dryRun, HttpContext http, CancellationToken cancel) =>
            EnableAsync(filter, dryRun, http, true, "resumed", cancel))
            .RequireRole(Role.Operator).WithSummary("Resumes all jobs that match a filter");

        v1.MapPost("/jobs/run", async (
            [Description(Which)] string? filter, [Description(Dry)] string? dryRun, HttpContext http, CancellationToken cancel) =>
        {
            var run = RunRequests.Read(await RequestBody.ReadTypedAsync(http, RunRequests.BytesMax, Json));
            RunRequests.ThrowIfNotAllowed(Caller.Of(http), run);
            return await PerformAsync(http, filter, dryRun, "asked to run", async (name, _, stop) =>
                await jobs.RunAsync(name, run.Worker, run.Env, stop) ?? throw Gone(name), cancel);
        }).RequireRole(Role.Operator).WithSummary("Runs all jobs that match a filter now; the body is that of one job's run");

        v1.MapPost("/jobs/kill", async (
            [Description(Which)] string? filter, [Description(Dry)] string? dryRun, HttpContext http, CancellationToken cancel) =>
        {
            var request = KillBody.Read(await RequestBody.ReadTypedAsync(http, BodyBytesMax, Json), "");
            if (request.RunId.Length > 0)
            {
                throw Refusal.Invalid("runId", request.RunId, "none: all runs of the jobs that match are meant");
            }

            return await PerformAsync(http, filter, dryRun, "asked to end", async (name, _, stop) =>
            {
                await jobs.KillAsync(name, request, stop);
                return null;
            }, cancel);
        }).RequireRole(Role.Operator).WithSummary("Ends the runs of all jobs that match a filter; the body may give a reason");

        v1.MapPost("/jobs/delete", async (
            [Description(Which)] string? filter, [Description(Dry)] string? dryRun, HttpContext http, CancellationToken cancel) =>
        {
            await RefuseBodyAsync(http);
            return await DeleteAsync(filter, dryRun, cancel, http);
        }).RequireRole(Role.Editor).WithSummary("Deletes all jobs that match a filter");
    }

    internal Task<BulkAnswer> DeleteAsync(string? filter, string? dryRun, CancellationToken cancel, HttpContext? http = null) =>
        PerformAsync(http, filter, dryRun, "deleted", (name, meant, stop) => ChangeAsync(
            name, meant, job => jobs.ReplaceAsync(name, job.Revision, null, isTrial: false, stop), stop), cancel);

    private async Task<BulkAnswer> EnableAsync(
        string? filter, string? dryRun, HttpContext http, bool enabled, string done, CancellationToken cancel)
    {
        await RefuseBodyAsync(http);
        return await PerformAsync(http, filter, dryRun, done, (name, meant, stop) => ChangeAsync(
            name,
            meant,
            job => job.Job is null ? throw Unreadable(name) : jobs.EnableAsync(name, enabled, stop, job.Revision),
            stop), cancel);
    }

    private static async Task RefuseBodyAsync(HttpContext http)
    {
        using var body = await RequestBody.ReadAsync(http, BodyBytesMax, "no body");
        if (body.Length > 0)
        {
            throw new Refusal(Problem.Of(415, "body is not read here; expected none: the filter says which jobs are meant"));
        }
    }

    /// <param name="done">What becomes of each job, in words.</param>
    /// <param name="act">Returns the id of the run that it asked for, if it asked for one.</param>
    private async Task<BulkAnswer> PerformAsync(
        HttpContext? http,
        string? filter,
        string? dryRun,
        string done,
        Func<JobName, Filter, CancellationToken, Task<string?>> act,
        CancellationToken cancel)
    {
        var now = time.GetUtcNow();
        var asked = JobListApi.ReadFilter(filter, now);
        if (asked.IsEverything)
        {
            throw Refusal.BadQuery("filter", filter ?? "", "words that say which jobs are meant, such as label:team=pay");
        }

        var meant = (http is null ? Scope.Everything : Caller.Of(http).Scope).Narrow(asked);
        var (names, isDry) = (FindNames(meant, filter, now), Query.Flag("dryRun", dryRun));
        if (isDry)
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

    /// <summary>Changes a job if it is still one that the filter means: the view may not have the latest save yet.</summary>
    private async Task<string?> ChangeAsync(
        JobName name, Filter filter, Func<StoredJob, Task<JobChange?>> change, CancellationToken stop)
    {
        while (true)
        {
            var current = await jobs.FindStoredAsync(name, stop);
            if (!current.Exists)
            {
                throw Gone(name);
            }

            if (current.Job is { } job && !StillMatches(filter, job))
            {
                throw Refusal.Conflict($"job \"{name.Value}\" has just been changed, and the filter does not match it any more");
            }

            if (await change(current) is not null)
            {
                return null;
            }
        }
    }

    /// <summary>What a filter asks of the definition; how the runs stand is known to the view only.</summary>
    private static bool StillMatches(Filter filter, Job job) => filter.Terms.All(term => term.IsNegated != term switch
    {
        FilterTerm.Text(_, _, var part) => Has(job.Name, part) || Has(job.Command, part) || Has(job.Description, part),
        FilterTerm.Job(_, _, var names) => names.Contains(job.Name),
        FilterTerm.Label(_, _, var name, var value) => job.Labels.TryGetValue(name, out var its) && (value is null || its == value),
        FilterTerm.User(_, _, var name) => job.User == name,
        _ => !term.IsNegated,
    });

    private static bool Has(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);

    private static Refusal Unreadable(JobName name) =>
        Refusal.NotFound($"name \"{name.Value}\" is no job that can be read; it is damaged, and stays as it is");

    private static Refusal Gone(JobName name) => Refusal.NotFound($"name \"{name.Value}\" is no job; it was deleted meanwhile");
}

internal sealed record BulkAnswer(bool DryRun, IReadOnlyList<BulkRow> Jobs);

/// <summary>What became of one job.</summary>
/// <param name="Outcome">Such as paused, would be paused, or not paused.</param>
/// <param name="RunId">The run that was asked for.</param>
/// <param name="Error">Why it was not done.</param>
internal sealed record BulkRow(string Name, string Outcome, string? RunId = null, string? Error = null);
